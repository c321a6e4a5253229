// What GitHub's page does with a summary or notes: it draws each chart in a separate frame, also folded ones, whose text
// has no size yet. https://github.com/mermaid-js/mermaid/issues/3504 describes the effect.

// Show a page, and return its facts.
async function show(body, isDark, isOpen) {
  const article = document.querySelector('article');
  article.innerHTML = body;
  // The first letter is the start of a paragraph or a list.
  article.querySelectorAll('h1, h2, h3, h4, h5, h6, p, ol, ul').forEach(block => { block.dir = 'auto'; });
  const errors = [];
  for (const chart of article.querySelectorAll('pre.mermaid')) {
    const frame = Object.assign(document.createElement('iframe'), {className: 'chart', srcdoc: '<!doctype html><body style="margin: 0">'});
    const source = chart.textContent;
    const loaded = new Promise(done => { frame.onload = done; });
    chart.replaceWith(frame);
    await loaded;
    const {contentWindow: inside, contentDocument: page} = frame;
    page.documentElement.style.colorScheme = isDark ? 'dark' : 'light';
    page.head.append(Object.assign(page.createElement('script'), {textContent: mermaidSource}));
    inside.mermaid.initialize({startOnLoad: false, theme: isDark ? 'dark' : 'default'});
    try {
      page.body.innerHTML = (await inside.mermaid.render('chart', source)).svg;
    } catch (error) {
      errors.push(String(error));
    }
  }
  if (isOpen) article.querySelectorAll('details').forEach(details => { details.open = true; });
  const frames = [...article.querySelectorAll('iframe.chart')];
  await painted();
  for (const frame of frames) frame.height = frame.contentDocument.body.scrollHeight;
  await painted();

  const words = article.cloneNode(true);
  words.querySelectorAll('code, pre, iframe').forEach(element => element.remove());
  const all = selector => [...article.querySelectorAll(selector)];
  const end = article.getBoundingClientRect().right - parseFloat(getComputedStyle(article).paddingRight);
  return {
    height: Math.ceil(article.getBoundingClientRect().height),
    errors,
    words: words.textContent,
    code: all('code').map(code => code.textContent),
    links: all('a').map(link => link.getAttribute('href') ?? ''),
    unnamed: all('a, summary').filter(element => !element.textContent.trim()).map(element => element.tagName),
    images: all('img').map(image => image.getAttribute('src')),
    folds: all('details').map(fold => ({
      title: fold.querySelector(':scope > summary')?.textContent.trim() ?? '',
      isEmpty: fold.querySelectorAll(':scope > :not(summary)').length === 0,
    })),
    // What is in a table that scrolls is in its place.
    beyond: all('*').filter(element => !element.closest('td, th') && element.checkVisibility())
      .filter(element => !['THEAD', 'TBODY', 'TR'].includes(element.tagName) && element.getBoundingClientRect().right > end + 1)
      .map(element => `${element.tagName} ${element.textContent.slice(0, 60)}`),
    scrolled: all('table').filter(table => table.scrollWidth > table.clientWidth + 1)
      .map(table => table.querySelector('tr').innerText.replace(/\s+/g, ' ').trim()),
    charts: frames.filter(frame => frame.checkVisibility()).map(measured),
  };
}

// Once for the sizes, once more for what depends on them.
async function painted() {
  await document.fonts.ready;
  for (let times = 0; times < 2; times++) await new Promise(requestAnimationFrame);
}

function measured(frame) {
  const svg = frame.contentDocument.querySelector('svg');
  if (!svg) return {kind: '', width: 0, height: 0, letters: 0, cut: [], over: [], squeezed: []};
  const whole = svg.getBoundingClientRect(), scale = svg.getScreenCTM().a;
  const texts = [...svg.querySelectorAll('text, foreignObject')].filter(text => text.textContent.replace(/[\s\u200b]/g, ''))
    .map(text => ({
      words: text.textContent.trim(),
      letters: parseFloat(getComputedStyle(text.querySelector('p, span, tspan') || text).fontSize) * scale,
      box: (text.querySelector('p') || text).getBoundingClientRect(),
      isInBar: /\btaskText\b/.test(text.getAttribute('class')),
    }));
  const bars = [...svg.querySelectorAll('rect.task')].map(bar => bar.getBoundingClientRect());
  const isWithin = (box, other) => box.left > other.left - 1 && box.right < other.right + 1
    && box.top > other.top - 1 && box.bottom < other.bottom + 1;
  const shared = (a, b, from, to) => Math.min(a[to], b[to]) - Math.max(a[from], b[from]);
  return {
    kind: svg.getAttribute('aria-roledescription'),
    width: Math.round(whole.width),
    height: Math.round(whole.height),
    letters: Math.min(...texts.map(text => text.letters)),
    cut: texts.filter(text => !isWithin(text.box, whole)).map(text => text.words),
    squeezed: texts.filter(text => text.isInBar && !bars.some(bar => isWithin(text.box, bar))).map(text => text.words),
    over: texts.flatMap((text, index) => texts.slice(index + 1)
      .filter(other => shared(text.box, other.box, 'left', 'right') > 1 && shared(text.box, other.box, 'top', 'bottom') > 3)
      .map(other => `${text.words} / ${other.words}`)),
  };
}
