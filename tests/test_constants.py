"""A constant of one name is one thing: it has one home, or a name that tells it from its like."""

import ast
import re
from collections import Counter

from test_architecture import MODULES, parsed


def test_a_constant_has_one_home_or_a_name_of_its_own():
    homes = Counter(
        name
        for path in MODULES.values()
        for name in {
            each.id
            for node in parsed(path).body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            for each in ast.walk(target)
            if isinstance(each, ast.Name) and re.fullmatch("[A-Z][A-Z0-9_]+", each.id)
        }
    )
    assert len(homes) > 300  # else it looked at nothing
    assert {name for name, count in homes.items() if count > 2} == {"IMPLEMENTATIONS"}  # one a family of methods
