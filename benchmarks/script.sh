#!/usr/bin/env bash
# A deployment script as many repositories have it: deploy, check, and move the alias, with the AWS CLI.
#
# usage: script.sh FUNCTION ENVIRONMENT DIRECTORY URL LOCK-TABLE
#
# It packs DIRECTORY, deploys it to $LATEST under a lock, waits, requests URL, which shows $LATEST, publishes a version,
# and moves the alias ENVIRONMENT to it. It has none of the action's guarantees: the published version may differ from the
# verified code, an older commit can replace a newer one, and the lock of a dead script stays.
set -euo pipefail

function=$1 environment=$2 directory=$3 url=$4 table=$5
archive=$(mktemp -d)/function.zip

aws() {  # before 2.13, the AWS CLI does not read AWS_ENDPOINT_URL itself
  command aws ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} "$@"
}

give_back() {
  aws dynamodb delete-item --table-name "$table" --key "{\"name\": {\"S\": \"$function\"}}"
  rm -r "${archive%/*}"
}

(cd "$directory" && zip -qr "$archive" .)

until aws dynamodb put-item --table-name "$table" --item "{\"name\": {\"S\": \"$function\"}}" \
  --condition-expression 'attribute_not_exists(#name)' --expression-attribute-names '{"#name": "name"}'; do
  sleep 5
done
trap give_back EXIT

aws lambda update-function-code --function-name "$function" --zip-file "fileb://$archive" > /dev/null
aws lambda wait function-updated --function-name "$function"
curl --fail --silent --show-error "$url" > /dev/null
version=$(aws lambda publish-version --function-name "$function" --query Version --output text)
aws lambda update-alias --function-name "$function" --name "$environment" --function-version "$version" > /dev/null
