"""Each sampler and pruner that a study file may name is made by its entry; any other name is refused."""

from __future__ import annotations

from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from optuna.samplers import BaseSampler

from hpsearch.config.file import Objective, SearchConfig
from hpsearch.errors import UnknownNameError
from hpsearch.search.prepare import SAMPLER_PACKAGES
from hpsearch.search.pruning import PRUNERS, Pruner, make_pruner
from hpsearch.search.sampling import SAMPLERS, ProposalRequest, make_sampler


def test_every_name_that_a_study_file_may_give_has_an_entry_that_makes_it():
    for name in SAMPLERS:
        search = SearchConfig.model_validate({"sampler": name})
        if name in SAMPLER_PACKAGES and find_spec(SAMPLER_PACKAGES[name]) is None:
            continue
        assert isinstance(make_sampler(ProposalRequest(search, 0)), BaseSampler), name
    for name in PRUNERS:
        # It has no defaults.
        given = {"name": name, "lower": 0.5} if name == "threshold" else name
        search = SearchConfig.model_validate({"pruner": given})
        assert isinstance(make_pruner(search, Objective()), Pruner), name
    schema = str(SearchConfig.model_json_schema())
    assert not [name for name in (*SAMPLERS, *PRUNERS) if f"'{name}'" not in schema]


def test_an_unknown_name_is_refused_with_the_known_ones():
    unknown = SimpleNamespace(sampler=SimpleNamespace(name="tpa"), pruner=SimpleNamespace(name="ash"), seed=0)
    with pytest.raises(UnknownNameError, match=r"sampler 'tpa'.*tpe.*random"):
        make_sampler(ProposalRequest(unknown, 0))
    with pytest.raises(UnknownNameError, match=r"pruner 'ash'.*asha.*median"):
        make_pruner(unknown, Objective())
