"""Inputs that an asset has only under some options; see ``Options.inputs``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from assets.options import Options


def with_inputs_of_options(definition: dg.AssetsDefinition, resources: Mapping[str, Any]) -> dg.AssetsDefinition:
    """The asset with the inputs that its options add."""
    options = (resources.get(name) for name in definition.required_resource_keys)
    return _with_inputs(definition, {name for each in options if isinstance(each, Options) for name in each.inputs})


def _with_inputs(definition: dg.AssetsDefinition, names: Iterable[str]) -> dg.AssetsDefinition:
    """The asset with more inputs, which carry no value.

    ``map_asset_specs`` cannot do it: in Dagster 1.13, it takes the values of the other inputs away.
    """
    added = {name: dg.AssetKey(name) for name in sorted(names)}
    if not added:
        return definition
    present = {each.name: dg.In.from_definition(each) for each in definition.op.input_defs}
    inputs = {**present, **{name: dg.In(dg.Nothing) for name in added}}
    attributes = definition.get_attributes_dict()
    changed = {
        "node_def": definition.op.with_replaced_properties(definition.op.name, inputs),
        "keys_by_input_name": {**attributes["keys_by_input_name"], **added},
        "specs": [spec.replace_attributes(deps=[*spec.deps, *added.values()]) for spec in definition.specs],
    }
    return dg.AssetsDefinition.dagster_internal_init(**{**attributes, **changed})
