"""The speed benchmark: its data, its exponents and its table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import speed, speed_parts, synthetic


def test_blocks_are_unit_rows_and_depend_on_the_seed_and_their_number_alone(tmp_path: Path) -> None:
    x, y = synthetic.rows(12_000, 16, 4, seed=3)
    assert x.shape == (12_000, 16)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-5)
    assert set(y) == {0, 1, 2, 3}
    np.testing.assert_array_equal(synthetic.rows(10_000, 16, 4, seed=3)[0], x[:10_000])
    assert not np.array_equal(synthetic.rows(100, 16, 4, seed=4)[0], x[:100])
    table, array = synthetic.write(tmp_path, 300, 16, 4, seed=3)
    assert table.exists()
    np.testing.assert_allclose(np.load(array), synthetic.rows(300, 16, 4, seed=3)[0], atol=1e-3)


def test_exponents_are_those_of_the_power_law() -> None:
    stages = {n: {"line": n / 1e4, "square": (n / 1e4) ** 2, "nothing": 0.001} for n in (10_000, 100_000, 1_000_000)}
    found = speed_parts.exponents(stages)
    assert found == pytest.approx({"line": 1.0, "square": 2.0})


def test_a_missed_budget_is_told() -> None:
    rows = [
        speed._at_most("a", "b", 0.4, 0.5, "4 s", "10 s", {}),
        speed._at_least("recall", "1", 0.98, 0.99, "0.98", "1", {}),
    ]
    report = {"at": "now", "machine": "this", "data": "d", "parts": {"knn": {"rows": rows, "load": 0.5}}}
    text = speed.table(report)
    assert "| a | b | 4 s | 10 s | 0.4 | ≤ 0.5 | yes |" in text
    assert "| recall | 1 | 0.98 | 1 | 0.98 | ≥ 0.99 | **no** |" in text
    assert "knn 0.5" in text
