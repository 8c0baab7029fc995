"""The automation condition: when automation makes an asset again."""

from collections.abc import Iterable
from functools import reduce
from operator import and_

import dagster as dg

from orchestration.tags import REFRESHED


class Requested(dg.AutomationCondition[dg.AssetKey]):
    """The partitions that automation has requested in the current evaluation, whatever the asset is partitioned by.

    Dagster's own ``will_be_requested`` covers only assets that could be in the same run.
    """

    @property
    def name(self) -> str:
        return "requested"

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        requested = context.request_subsets_by_key.get(context.key, context.get_empty_subset())
        return dg.AutomationResult(context, requested)


def when_changed(upstream: Iterable[dg.AssetKey]) -> dg.AutomationCondition:
    """Run what is missing, and what has other inputs or other code than it was made from.

    A new version of the content counts; making the same content again does not. An asset waits while anything in
    ``upstream`` is in progress, so that it is made once and not once per input, and while a blocking check of an input
    has not passed. What failed or was stopped waits for a change, or for a person.
    """
    condition = dg.AutomationCondition
    other_inputs = condition.any_deps_match(condition.data_version_changed()).with_label("an input has other content")
    changed = (other_inputs | condition.code_version_changed()).with_label("other inputs or other code")
    # A refresh brings all inputs up to date itself. Any other run may have read them before they changed, also if they
    # changed right after it was requested.
    refreshed = condition.any_new_update_has_run_tags(tag_keys={REFRESHED})
    handled = ((condition.newly_requested() & ~changed) | refreshed).with_label("requested, or refreshed")
    not_yet_requested = condition.missing().newly_true().since(condition.newly_requested())
    missing = (condition.missing() & not_yet_requested).with_label("missing, not requested yet")
    due = (missing | changed.since(handled).with_label("changed since requested")).with_label("missing or changed")
    in_progress = condition.in_progress() | Requested()
    waiting = [
        (~condition.asset_matches(key, in_progress)).with_label(f"{key.to_user_string()} is not in progress")
        for key in sorted(upstream)
    ]
    ready = ~condition.any_deps_missing() & condition.all_deps_blocking_checks_passed() & ~condition.in_progress()
    return reduce(and_, waiting, due & ready).with_label("due, inputs done")
