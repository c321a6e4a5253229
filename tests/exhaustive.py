"""Which tests only ``make test-all`` runs, and what in ``make test`` covers the same mechanism.

The longest matrices are here: the cancellation in each phase, the kill after each call, races of twenty processes.
``make test`` has a few cases of each, or another test of the same code.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Kept:
    """What ``make test`` has of a test."""

    cases: int
    """The number of its cases that stay, spread over the matrix; 0 if all are left out."""
    covers: str
    """What in ``make test`` covers the mechanism."""


EXHAUSTIVE: Mapping[str, Mapping[str, Kept]] = {
    "integration/test_adopt.py": {
        "test_a_dead_run_is_repeated": Kept(2, "Two of four moments"),
    },
    "integration/test_uninstall.py": {
        "test_a_run_that_dies_after_a_write_is_repeated": Kept(3, "Three of nine writes"),
    },
    "integration/test_application.py": {
        "test_killed_after_each_call_from_the_release_on": Kept(
            0,
            "`test_release_protocol.py` with a quarter of the calls, and the simulation",
        ),
        "test_promote_misses_it_as_well_and_a_rollback_warns": Kept(
            0, "`test_a_function_that_the_file_does_not_name_any_more_is_missed`"
        ),
        "test_versions_of_an_unfinished_release_are_kept": Kept(0, "`unit/test_retention.py`"),
        "test_two_applications_that_share_a_function_do_not_wait_for_each_other_for_ever": Kept(
            0, "`unit/test_lock_queue.py`, and the simulation's applications that share a function"
        ),
        "test_a_function_that_was_created_again_while_it_was_verified_stops_all": Kept(
            0, "`test_look_again.py` with one function, and the simulation"
        ),
        "test_a_lock_that_was_opened_by_force_stops_all": Kept(
            0, "`test_a_lock_that_was_lost_stops_the_changes_of_all_functions`"
        ),
        "test_latest_of_a_function_without_checks_is_watched": Kept(
            0, "`test_a_function_without_checks_that_cannot_be_imported_holds_all_back`"
        ),
        "test_a_function_that_serves_nothing_yet_does_not_prevent_a_rollback": Kept(
            0, "`test_a_rollback_brings_all_back_to_the_release_before_and_the_next_further_back`"
        ),
        "test_the_post_step_finishes_the_release_of_a_killed_step": Kept(1, "One of its three moments"),
    },
    "integration/test_bad_input.py": {
        "test_a_holder_that_beats_is_not_taken_over_though_the_clocks_are_apart": Kept(
            0, "`test_a_holder_of_another_time_keeps_its_lock`, and skewed clocks in `test_waiting.py`"
        ),
        "test_a_lock_that_makes_no_sense_is_held_and_left_as_it_is": Kept(
            5, "Five of 45 damaged items; `unit/test_records.py` reads each field"
        ),
        "test_what_makes_no_sense_is_opened_by_force_with_a_higher_token": Kept(5, "Five of 25 damaged items"),
    },
    "integration/test_cancel.py": {
        "test_a_blocked_run_cancelled_as_it_gives_the_lock_back_gives_it_back": Kept(
            1, "One of four combinations of signal and moment"
        ),
        "test_a_first_promotion_is_found_out_like_any_other": Kept(1, "One of four combinations of signal and moment"),
        "test_a_first_run_cancelled_on_the_way_is_taken_up_by_the_next": Kept(2, "Two of six calls"),
        "test_a_lock_step_cancelled_as_it_takes_the_lock_does_not_keep_it": Kept(
            1, "One of four combinations of signal and moment"
        ),
        "test_a_run_cancelled_after_the_move_finds_out_and_records_it": Kept(1, "One of three calls"),
        "test_a_run_cancelled_as_it_joins_the_line_is_not_in_it": Kept(
            1, "One of four combinations of signal and moment"
        ),
        "test_a_run_cancelled_as_its_turn_comes_does_not_keep_the_lock": Kept(
            1, "One of four combinations of signal and moment"
        ),
        "test_a_run_cancelled_before_the_move_leaves_the_environment_as_it_was": Kept(
            2, "Two of eleven phases; each phase also in the simulation"
        ),
        "test_further_signals_do_not_disturb_finding_out_about_a_move": Kept(1, "One of four sequences of signals"),
        "test_further_signals_do_not_disturb_the_tidying_up": Kept(1, "One of four sequences of signals"),
    },
    "integration/test_capacity.py": {
        "test_several_functions_wait_for_all_of_their_capacity": Kept(
            0, "`test_several_functions_say_whose_traffic_has_not_followed`"
        ),
        "test_a_split_is_ended_by_an_override": Kept(1, "One of three commands"),
    },
    "integration/test_commands.py": {
        "test_a_damaged_lock_is_nobodys_until_it_is_opened_by_force": Kept(
            1, "One of fifteen damaged items; more in `test_bad_input.py`"
        ),
        "test_the_post_step_gives_back_what_a_killed_run_has_left": Kept(1, "One of ten moments"),
    },
    "integration/test_crash.py": {
        "test_first_run": Kept(2, "Two of six moments; the simulation kills runs at each call"),
        "test_further_runs": Kept(0, "`test_first_run`, and the simulation, which kills runs at each call"),
    },
    "integration/test_eventual.py": {
        "test_another_change_of_an_api_at_the_same_time_is_waited_for": Kept(
            3, "Three of eight calls; `unit/test_recent.py`"
        ),
        "test_what_a_run_has_just_created_may_be_unknown_at_first": Kept(
            3, "Three of six calls; `unit/test_recent.py`"
        ),
    },
    "integration/test_guarantees.py": {
        "test_a_lost_response_is_not_a_lost_fact": Kept(
            3, "Three of fourteen pairs of call and fault; each pair in the simulation"
        ),
        "test_a_service_that_fails_for_a_moment_is_asked_again": Kept(3, "Three of nine pairs of service and fault"),
    },
    "integration/test_isolation.py": {
        "test_a_run_with_a_wrong_clock_removes_the_previews_of_dead_runs_alone": Kept(
            0, "`unit/test_preview_clocks.py`"
        ),
        "test_a_run_killed_after_any_call_leaves_nothing_when_its_post_step_has_run": Kept(
            0, "The simulation, which kills runs at each call of a preview endpoint"
        ),
        "test_a_crash_at_a_new_endpoint_is_the_functions_and_says_why": Kept(
            3, "Three of six combinations: each kind of crash, and both isolations"
        ),
        "test_ten_runs_verify_at_the_same_time": Kept(
            0, "`test_a_candidate_with_a_preview_endpoint_is_tested_while_others_deploy`, and the simulation"
        ),
        "test_what_killed_runs_have_left_is_removed_by_later_ones_when_nobody_uses_it_any_more": Kept(
            0, "The simulation, with runs that die at each call of a preview endpoint"
        ),
    },
    "integration/test_kit.py": {
        "test_what_a_killed_run_has_left_is_removed_and_nothing_else": Kept(
            0, "`test_a_cancelled_run_removes_everything`"
        ),
        "test_the_policy_of_the_documentation_is_enough": Kept(
            0, "`test_without_a_permission_it_ends_in_one_line_and_leaves_nothing`"
        ),
        "test_a_log_that_a_given_role_has_written_is_not_left_in_silence": Kept(
            0, "`test_every_assumption_holds_and_nothing_is_left`"
        ),
        "test_with_a_role_it_needs_no_permission_to_make_one": Kept(
            0, "`test_every_assumption_holds_and_nothing_is_left`"
        ),
        "test_provisioned_concurrency_that_may_not_be_listed_does_not_keep_the_function": Kept(
            0, "`test_without_a_permission_it_ends_in_one_line_and_leaves_nothing`"
        ),
        "test_a_report_that_cannot_be_written_at_the_end_loses_no_answer": Kept(
            0, "`test_what_does_not_hold_is_an_exit_code`"
        ),
        "test_a_wait_for_a_new_role_is_shown": Kept(
            0, "`test_every_assumption_holds_and_nothing_is_left`, which waits for its role"
        ),
        "test_a_cancelled_run_removes_everything": Kept(1, "One of two signals"),
        "test_without_a_permission_it_ends_in_one_line_and_leaves_nothing": Kept(2, "Two of fourteen permissions"),
    },
    "integration/test_large.py": {
        "test_the_same_is_noticed_if_the_upload_begins_under_the_lock": Kept(
            0, "`test_an_alias_that_follows_latest_since_the_upload_to_s3_began_is_noticed`"
        ),
        "test_a_bucket_in_another_region_is_refused_before_anything_is_changed": Kept(
            0, "`test_who_stores_it_at_the_same_time_is_waited_for`, and `test_bad_input.py` with other buckets"
        ),
        "test_it_goes_through_the_bucket_and_is_stored_once": Kept(
            0,
            "`test_an_alias_that_follows_latest_since_the_upload_to_s3_began_is_noticed`, and `unit/test_artifact.py`",
        ),
    },
    "integration/test_lock.py": {
        "test_a_hundred_at_once_all_have_their_turn": Kept(
            0, "`test_threads_that_really_run_at_once_lose_none_either`, and `unit/test_lock_queue.py`"
        ),
        "test_runs_that_leave_a_long_queue_at_the_same_time_leave_no_ticket": Kept(
            0,
            "`test_threads_that_really_run_at_once_lose_none_either`, and `test_waiting.py`",
        ),
        "test_fifty_threads_lose_no_increment": Kept(0, "`test_threads_that_really_run_at_once_lose_none_either`"),
    },
    "integration/test_order.py": {
        "test_what_diverged_decides_and_what_it_does_not": Kept(2, "Two of the five pairs of command and value"),
        "test_the_time_to_read_a_clone_grows_no_faster_than_its_history": Kept(
            0, "`unit/test_ancestry.py`, which compares with git on random histories"
        ),
    },
    "integration/test_packages.py": {
        "test_a_package_is_deployed_and_answers": Kept(
            2, "Two of seven packages; `unit/test_package_files.py` and `unit/test_contents.py`"
        ),
    },
    "integration/test_permissions.py": {
        "test_each_action_and_each_resource_of_the_policy_is_used": Kept(0, "`test_the_policy_is_enough`"),
        "test_each_call_that_is_in_the_code_is_made": Kept(0, "`test_the_policy_is_enough`"),
        "test_a_condition_keeps_the_roles_of_two_functions_apart": Kept(2, "Two of fourteen calls"),
        "test_the_policy_is_enough": Kept(2, "Two of seven scenarios"),
        "test_without_an_action_the_error_names_it": Kept(4, "Four of 36 actions"),
    },
    "integration/test_promote.py": {
        "test_a_promotion_from_an_environment_is_finished_after_a_crash_at_any_call": Kept(
            0, "`test_crash.py::test_first_run`, and the simulation, which kills promotions at each call"
        ),
    },
    "integration/test_race.py": {
        "test_in_strict_order_each_run_has_its_turn_and_the_newest_good_commit_is_served": Kept(
            0, "The simulation, whose schedules have up to six runs"
        ),
        "test_lost_responses_of_the_lock_do_not_change_the_result": Kept(
            0, "`test_waiting.py` with each response of the lock lost, and the simulation"
        ),
        "test_newer_runs_take_the_place_of_older_ones_and_the_newest_is_served": Kept(
            0, "`test_waiting.py`, and the simulation"
        ),
        "test_runs_that_are_killed_or_stopped_leave_the_newest_good_commit_served": Kept(
            0, "`test_crash.py::test_first_run`, and the simulation"
        ),
        "test_without_the_lock_runs_may_fail_and_only_verified_code_is_served": Kept(
            0, "The simulation, a part of whose schedules has no lock"
        ),
    },
    "integration/test_records.py": {
        "test_a_step_that_died_with_its_claim_can_be_repeated_by_its_attempt_alone": Kept(
            0, "`test_two_promotions_at_the_same_time_cannot_both_use_a_candidate`, and the simulation"
        ),
        "test_a_damaged_record_stops_a_run_before_it_changes_anything": Kept(
            1, "One of six records; `unit/test_records.py`"
        ),
        "test_a_rollback_needs_no_lock_that_makes_sense": Kept(1, "One of five damaged items"),
    },
    "integration/test_release_notes.py": {
        "test_a_promotion_ends_well_without_github": Kept(1, "One of five troubles; `unit/test_github.py`"),
    },
    "integration/test_release_protocol.py": {
        "test_killed_after_each_call_of_turning_back_the_next_run_brings_all_back": Kept(
            0,
            "`test_killed_after_each_call_the_next_run_brings_all_to_one_release`, and the simulation",
        ),
        "test_killed_after_each_call_of_a_first_release_the_next_run_brings_all_to_it": Kept(
            0, "`test_killed_after_each_call_the_next_run_brings_all_to_one_release`, and the simulation"
        ),
        "test_several_who_finish_the_same_release_agree": Kept(
            0, "`test_a_release_that_is_done_by_others_stays_done`, and the simulation"
        ),
        "test_killed_while_it_finishes_a_dead_runs_release_the_next_one_finishes": Kept(
            0, "The kills after each call in the same module, and the simulation, in which runs die one after the other"
        ),
    },
    "integration/test_rollback.py": {
        "test_a_killed_rollback_is_completed_with_its_reason": Kept(1, "One of four moments"),
        "test_a_rollback_killed_after_any_call_is_whole_after_the_next_run": Kept(
            0, "`test_a_killed_rollback_is_completed_with_its_reason`, and the simulation"
        ),
    },
    "simulation/test_mutants.py": {
        "test_is_caught": Kept(1, "One of the mutants"),
    },
    "simulation/test_schedules.py": {
        "test_no_schedule_breaks_a_guarantee": Kept(0, "`test_sweep.py`, with schedules by seed"),
    },
    "simulation/test_sweep.py": {
        "test_nothing_is_broken": Kept(1, "80 of the 2,000 schedules"),
    },
    "integration/test_queue.py": {
        "test_a_newer_run_supersedes_an_older_one_of_the_same_branch_and_environment_only": Kept(
            0, "`test_waiting.py`, and the groups of a lock in `unit/test_lock_queue.py`"
        ),
    },
    "integration/test_verify.py": {
        "test_failing_tests_are_errors_at_their_lines": Kept(
            0, "`unit/test_suite.py` has the place of each test, and `unit/test_summary.py` many failures"
        ),
        "test_what_could_not_be_tested_is_not_promoted": Kept(3, "Three of eight; `unit/test_suite.py` has each"),
        "test_requirements_are_installed_once_in_a_job": Kept(
            0, "`test_requirements_that_cannot_be_installed_move_nothing`"
        ),
        "test_a_flood_is_cut_short_and_costs_no_memory": Kept(0, "`unit/test_console.py`"),
    },
    "integration/test_waiting.py": {
        "test_the_line_is_as_long_as_it_may_be": Kept(0, "`unit/test_lock_conditions.py`"),
        "test_fifo_runs_of_a_branch_all_have_their_turn": Kept(
            0, "`test_fifo_is_the_order_of_arrival`, and `unit/test_lock_queue.py`"
        ),
        "test_the_first_in_line_has_the_lock_soon_after_its_release": Kept(0, "`unit/test_pace.py`"),
        "test_everybody_else_looks_at_most_200_times_in_ten_minutes": Kept(0, "`unit/test_pace.py`"),
        "test_its_lease_counts_and_not_the_waiters": Kept(
            0, "`unit/test_lock_queue.py`, and `test_a_dead_holders_lock_is_free_after_its_lease_and_never_before`"
        ),
        "test_a_dead_holder_is_counted_out_however_fast_newer_runs_come": Kept(
            0, "`test_a_dead_holders_lock_is_free_after_its_lease_and_never_before`, and the simulation"
        ),
        "test_a_holder_is_never_preempted": Kept(
            0, "`test_fifo_is_the_order_of_arrival`, and the simulation, which requires it of each schedule"
        ),
        "test_a_branch_whose_older_run_died_in_line_does_not_hold_up_others_for_ever": Kept(
            0, "The tests of dead runs in line, and the simulation"
        ),
        "test_the_first_in_line_looks_at_most_3000_times_in_ten_minutes": Kept(0, "`unit/test_pace.py`"),
    },
    "unit/test_lock_queue.py": {
        "test_an_item_is_read_if_the_action_can_have_written_it_and_else_refused": Kept(
            0, "`integration/test_bad_input.py` with damaged locks"
        ),
    },
    "unit/test_summary.py": {
        "test_summary_is_never_larger_than_the_runner_takes": Kept(1, "One of seven texts"),
    },
    "unit/test_archive.py": {
        "test_more_files_than_a_small_directory_counts": Kept(
            0, "`test_info_zip_unpacks_what_was_packed` with few files"
        ),
    },
    "unit/test_suite.py": {
        "test_a_command_that_was_not_found_is_inconclusive_wherever_it_stands": Kept(16, "A quarter of the scripts"),
        "test_a_command_that_was_not_found_is_named_in_subshells_and_other_scripts": Kept(
            15, "A quarter of the scripts"
        ),
        "test_a_suite_without_a_result_is_inconclusive": Kept(2, "Two of ten suites"),
        "test_tests_that_were_not_run_to_their_end_do_not_pass": Kept(2, "Two of the ways to end early"),
    },
    "simulation/test_applications.py": {
        "test_two_applications_at_once_that_share_a_function": Kept(
            0, "`test_sweep.py`, whose schedules have applications that share functions"
        ),
        "test_killed_at_each_call_of_a_release_that_cannot_go_on_all_are_brought_back_or_forward": Kept(
            0, "`test_killed_at_each_call_the_next_run_brings_all_to_one_release`, and `test_sweep.py`"
        ),
        "test_killed_at_each_call_the_next_run_brings_all_to_one_release": Kept(1, "A quarter of the calls"),
    },
    "integration/test_odd_cases.py": {
        "test_a_summary_beyond_what_the_runner_takes_is_cut": Kept(0, "`unit/test_summary.py`"),
    },
    "integration/test_keep_versions.py": {
        "test_a_verdict_of_a_deleted_function_does_not_count": Kept(
            0, "`test_look_again.py` with functions that were created again, and `unit/test_retention.py`"
        ),
        "test_what_an_unfinished_release_of_another_environment_may_end_at_stays": Kept(0, "`unit/test_retention.py`"),
        "test_versions_that_failed_go_before_older_ones_that_passed": Kept(0, "`unit/test_retention.py`"),
    },
    "integration/test_rolled_back.py": {
        "test_a_record_keeps_the_last_ten": Kept(0, "`unit/test_rolled_back.py`"),
        "test_each_of_several_rollbacks_counts": Kept(0, "`unit/test_rolled_back.py`"),
    },
    "integration/test_unfinished.py": {
        "test_a_run_does_not_complete_it_if_its_version_is_not_verified_any_more": Kept(0, "`unit/test_recovery.py`"),
        "test_a_rollback_of_one_that_is_being_rolled_back_keeps_its_code_out": Kept(
            0, "`unit/test_recovery.py`, and the simulation"
        ),
    },
}
"""The tests by module and name."""


_OF_OTHERS = 1
"""The cases that stay of another integration test with parameters."""

_TWO_OF_OTHERS = ("commands", "endpoints", "lambda_conditions", "lock", "locks_together", "pages", "permissions")
"""Integration tests whose cases take little time, so that two of them stay."""

_WHOLE = ("bad_input", "sandbox")
"""Integration tests whose cases take less, so that all stay."""


def mark(items: Iterable[pytest.Item]) -> None:
    """Mark the cases that ``make test`` leaves out."""
    by_test: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        by_test[item.nodeid.partition("[")[0]].append(item)
    for name, found in by_test.items():
        module, _, test = name.removeprefix("tests/").partition("::")
        kept = EXHAUSTIVE.get(module, {}).get(test)
        cases = kept.cases if kept else _of_others(module, len(found))
        for number, item in enumerate(found):
            if not _stays(number, len(found), cases):
                item.add_marker("exhaustive")


def _of_others(module: str, count: int) -> int:
    """Return how many of the cases of a test stay that is not named."""
    folder, _, name = module.removesuffix(".py").partition("/test_")
    if folder != "integration" or name in _WHOLE:
        return count
    return _OF_OTHERS + (name in _TWO_OF_OTHERS)


def _stays(number: int, count: int, kept: int) -> bool:
    """Whether a case is one of ``kept`` that are spread evenly over ``count``: the first one, and so on."""
    return kept >= count or any(number == place * count // kept for place in range(kept))


def table() -> dict[str, str]:
    """Return the Markdown of the table in docs/tests.md."""
    rows = [
        f"| `{module}` | `{test}` | {kept.cases or 'none'} | {kept.covers} |"
        for module, tests in EXHAUSTIVE.items()
        for test, kept in tests.items()
    ]
    head = ["| module | test | cases in `make test` | what `make test` has of it |", "| --- | --- | ---: | --- |"]
    return {"exhaustive": "\n".join([*head, *rows])}
