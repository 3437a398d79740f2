from inference.domain.briefs import brief


def test_what_is_long_is_left_out() -> None:
    told = {"title": "Tale", "price": 1.5, "tags": ["a"], "plot": "x" * 300, "n" * 250: 1}

    assert brief(told) == {"title": "Tale", "price": 1.5, "tags": ["a"]}


def test_only_so_much_is_told() -> None:
    assert len(brief({f"member-{n}": n for n in range(500)})) == 30
