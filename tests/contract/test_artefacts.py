"""Every kind of artefact: learnt by training, proved and scored by inference, and refused when
touched."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from scipy import sparse

from contracts.artefact import ARRAYS_NAME, MANIFEST_NAME, Manifest, file_digest
from inference import scorers
from inference.scorers import ArtefactRefused, Past, ProofFailed, Scorer
from training import learners

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
GENRES = ("comedy", "drama", "noir")

RECIPES: Mapping[str, Mapping[str, Any]] = {
    **{name: {} for name in learners.CLASS_NAMES},
    "IALSRecommender": {"n_components": 8, "history_half_life": 5.0},
    "IALSRecommender original": {
        "n_components": 8,
        "loss_type": "ORIGINAL",
        "solver_type": "CHOLESKY",
        "confidence_scaling": "log",
        "nu": 0.5,
        "nu_star": 1.0,
    },
    "NMFRecommender": {"n_components": 6},
    "TruncatedSVDRecommender": {"n_components": 6},
    "CosineUserKNNRecommender": {"top_k": 7, "shrinkage": 1.0},
    "CosineUserKNNRecommender unnormalised": {"top_k": 7, "normalize": False},
    "AsymmetricCosineUserKNNRecommender": {"alpha": 0.3, "feature_weighting": "BM_25"},
    "SLIMRecommender signed": {"positive_only": False, "history_half_life": 3.0},
    "DenseSLIMRecommender": {"reg": 5.0, "history_half_life": 4.0},
    "popularity": {},
    "session": {},
    "content-based": {},
    "hybrid": {"content": 0.3, "popularity": 0.1, "member_parameters": {"reg": 5.0}},
}


def interactions(*, rows: int = 900, seed: int = 3) -> learners.Interactions:
    """Forty users who mostly stay within one of three groups of ten items."""
    draw = np.random.default_rng(seed)
    users = draw.integers(0, 40, rows)
    tempted = draw.random(rows) < 0.2
    group = np.where(tempted, draw.integers(0, 3, rows), users % 3)
    items = group * 10 + np.minimum(draw.geometric(0.2, rows) - 1, 9)
    return learners.Interactions.from_columns(
        [f"u{user}" for user in users],
        [f"i{item}" for item in items],
        draw.choice([0.0, 1.0, 2.0, 5.0], rows, p=[0.05, 0.6, 0.25, 0.1]),
        1_700_000_000_000_000 + draw.integers(0, 10_000_000, rows) * 1_000_000,
    )


def items() -> learners.Items:
    return learners.Items.from_documents(
        (
            f"i{item}",
            {"genre": [GENRES[min(item // 10, 2)]], "year": 1950 + item, "title": f"Tale {item}"},
        )
        for item in range(32)
    )


def learnt(name: str, **changes: Any) -> learners.LearnedModel:
    order = learners.LearningOrder(learner=name.split()[0], parameters=RECIPES[name])
    known: dict[str, Any] = {"interactions": interactions(), "items": items()}
    return learners.learn(order, **(known | changes))


def load(folder: Path) -> Scorer:
    return scorers.load(folder, public_keys=[KEY.public_key()])


@pytest.fixture
def popular(tmp_path: Path) -> Path:
    learners.write(learnt("TopPopRecommender"), tmp_path, signer=KEY)
    return tmp_path


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_what_training_learnt_inference_proves(name: str, tmp_path: Path) -> None:
    manifest = learners.write(learnt(name), tmp_path, signer=KEY)
    scorer = scorers.load(tmp_path, public_keys=[KEY.public_key()], expected_digest=manifest.digest)
    assert len(manifest.proof) == 12
    assert all(row.answer["items"] for row in manifest.proof)
    scorers.prove(scorer)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_the_same_order_makes_the_same_artefact(name: str, tmp_path: Path) -> None:
    one = learners.write(learnt(name), tmp_path / "one", signer=KEY)
    other = learners.write(learnt(name), tmp_path / "other", signer=STRANGER)
    assert one.digest == other.digest
    assert (tmp_path / "one" / ARRAYS_NAME).read_bytes() == (
        tmp_path / "other" / ARRAYS_NAME
    ).read_bytes()


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    rows = interactions()
    shuffled = np.random.default_rng(1).permutation(len(rows))
    assert rows.times is not None
    mixed = learners.Interactions(
        rows.users.take(shuffled),
        rows.items.take(shuffled),
        rows.weights[shuffled],
        rows.times[shuffled],
    )
    one = learners.write(learnt("DenseSLIMRecommender"), tmp_path / "one", signer=KEY)
    other = learners.write(
        learnt("DenseSLIMRecommender", interactions=mixed), tmp_path / "other", signer=KEY
    )
    assert one.digest == other.digest


def test_other_data_makes_another_artefact(tmp_path: Path) -> None:
    one = learners.write(learnt("TopPopRecommender"), tmp_path / "one", signer=KEY)
    other = learnt("TopPopRecommender", interactions=interactions(rows=899))
    assert learners.write(other, tmp_path / "other", signer=KEY).data_digest != one.data_digest


SHARED_OUT = sorted(
    name
    for name in RECIPES
    if name.split()[0] not in {"TopPopRecommender", "popularity", "NMFRecommender", "hybrid"}
)


@pytest.mark.parametrize("name", SHARED_OUT)
def test_reasons_add_up_to_the_score(name: str, tmp_path: Path) -> None:
    learners.write(learnt(name), tmp_path, signer=KEY)
    scorer = load(tmp_path)
    history = scorer.trained_history("u7")
    ranking = scorer.recommend(history, k=5)
    reasons = scorer.contributions(history, ranking, top=len(history))
    past = {event.item for event in history}
    for score, why in zip(ranking.scores, reasons, strict=True):
        assert why
        assert {reason.item for reason in why} <= past
        assert [reason.share for reason in why] == sorted((r.share for r in why), reverse=True)
        total = sum(reason.share for reason in why)
        if (
            name.split()[0]
            in {
                "DenseSLIMRecommender",
                "EDLAERecommender",
                "IALSRecommender",
                "TruncatedSVDRecommender",
            }
            or "signed" in name
        ):
            assert total >= score - 1e-4  # What speaks against an item is not listed.
        else:
            assert total == pytest.approx(score, abs=1e-5)


@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"session"}))  # Its order is by chance.
def test_items_near_an_item_are_of_its_group(name: str, tmp_path: Path) -> None:
    learners.write(learnt(name), tmp_path, signer=KEY)
    near = load(tmp_path).similar("i0", k=3)
    assert len(near) == 3
    assert "i0" not in near.items
    assert sum(int(item[1:]) < 10 for item in near.items) >= 2


def test_an_item_of_today_is_found_by_what_it_is_about(tmp_path: Path) -> None:
    learners.write(learnt("content-based"), tmp_path, signer=KEY)
    scorer = load(tmp_path)
    noir = [Past(f"i{item}") for item in range(20, 30)]
    assert scorer.position("i31") is not None
    assert set(scorer.recommend(noir, k=2).items) == {"i30", "i31"}


@pytest.mark.parametrize("name", ["content-based", "hybrid"])
def test_features_keep_what_people_call_them(name: str, tmp_path: Path) -> None:
    learners.write(learnt(name), tmp_path, signer=KEY)
    arrays = safetensors.numpy.load((tmp_path / ARRAYS_NAME).read_bytes())
    prefix = "model.content.features" if name == "hybrid" else "model.features"
    told = arrays[f"{prefix}.bytes"].tobytes().decode()
    assert "genre: noir" in told
    assert '"tale"' in told
    assert "year: about 1950" in told


def test_a_features_share_is_exact(tmp_path: Path) -> None:
    learners.write(learnt("content-based"), tmp_path, signer=KEY)
    arrays = safetensors.numpy.load((tmp_path / ARRAYS_NAME).read_bytes())
    told = tuple(arrays[f"model.features.{part}"] for part in ("data", "indices", "indptr"))
    features = sparse.csr_matrix(told).astype(np.float64).toarray()
    scorer = load(tmp_path)
    past = [Past(f"i{item}", 1.0 + item) for item in range(8)]
    taste = sum(event.weight * features[scorer.position(event.item)] for event in past)
    ranking = scorer.recommend(past, k=5)
    traits = scorer.traits(past, ranking)
    for position, score, trait in zip(ranking.positions, ranking.scores, traits, strict=True):
        shares = taste * features[position]
        assert shares.sum() == pytest.approx(score)
        assert trait is not None
        assert trait.share == pytest.approx(shares.max())


def test_an_artefact_of_before_features_had_names_still_serves(tmp_path: Path) -> None:
    learners.write(learnt("content-based"), tmp_path, signer=KEY)
    arrays = safetensors.numpy.load((tmp_path / ARRAYS_NAME).read_bytes())
    for name in ("model.features.bytes", "model.features.offsets"):
        del arrays[name]
    content = safetensors.numpy.save(arrays)
    (tmp_path / ARRAYS_NAME).write_bytes(content)
    resigned(tmp_path, files={ARRAYS_NAME: file_digest(content)})
    scorer = load(tmp_path)
    scorers.prove(scorer)
    ranking = scorer.recommend([Past("i0")], k=2)
    assert scorer.traits([Past("i0")], ranking) == [None, None]


def test_names_that_do_not_fit_the_features_are_refused(tmp_path: Path) -> None:
    learners.write(learnt("content-based"), tmp_path, signer=KEY)
    arrays = safetensors.numpy.load((tmp_path / ARRAYS_NAME).read_bytes())
    arrays["model.features.offsets"] = arrays["model.features.offsets"][:-1]
    content = safetensors.numpy.save(arrays)
    (tmp_path / ARRAYS_NAME).write_bytes(content)
    resigned(tmp_path, files={ARRAYS_NAME: file_digest(content)})
    with pytest.raises(ArtefactRefused, match="names differ"):
        load(tmp_path)


def spoil_first_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


@pytest.mark.parametrize("harm", [spoil_first_byte, cut, Path.unlink])
@pytest.mark.parametrize("name", [ARRAYS_NAME, MANIFEST_NAME])
def test_a_harmed_file_is_refused(name: str, harm: Callable[[Path], None], popular: Path) -> None:
    harm(popular / name)
    with pytest.raises(ArtefactRefused):
        load(popular)


def test_a_stranger_cannot_sign(tmp_path: Path) -> None:
    learners.write(learnt("TopPopRecommender"), tmp_path, signer=STRANGER)
    with pytest.raises(ArtefactRefused, match="signature"):
        load(tmp_path)


def test_a_changed_manifest_is_refused(popular: Path) -> None:
    path = popular / MANIFEST_NAME
    document = json.loads(path.read_text())
    document["metrics"]["ndcg"] = 1.0
    path.write_text(json.dumps(document))
    with pytest.raises(ArtefactRefused, match="signature"):
        load(popular)


def test_another_artefact_than_announced_is_refused(popular: Path) -> None:
    with pytest.raises(ArtefactRefused, match="not 00"):
        scorers.load(popular, public_keys=[KEY.public_key()], expected_digest="00" * 32)


def test_an_artefact_above_the_limit_is_refused(popular: Path) -> None:
    with pytest.raises(ArtefactRefused, match="limit"):
        scorers.load(popular, public_keys=[KEY.public_key()], size_limit=10)


def resigned(folder: Path, **changes: Any) -> None:
    """Sign a changed manifest with the right key: what only a bug in training could do."""
    path = folder / MANIFEST_NAME
    changed = Manifest.model_validate_json(path.read_bytes()).model_copy(update=changes)
    signature = KEY.sign(changed.canonical_bytes()).hex()
    path.write_bytes(changed.model_copy(update={"signature": signature}).to_bytes())


@pytest.mark.parametrize("changes", [{"kind": "pickle"}, {"format": 99}, {"files": {}}])
def test_what_inference_does_not_know_is_refused(changes: dict[str, Any], popular: Path) -> None:
    resigned(popular, **changes)
    with pytest.raises(ArtefactRefused):
        load(popular)


def test_arrays_that_do_not_fit_their_kind_are_refused(popular: Path) -> None:
    resigned(popular, kind="item-weights")
    with pytest.raises(ArtefactRefused, match="weights is missing"):
        load(popular)


def test_a_model_that_answers_otherwise_does_not_pass(popular: Path) -> None:
    manifest = Manifest.model_validate_json((popular / MANIFEST_NAME).read_bytes())
    first, *rest = manifest.proof
    lie = first.model_copy(update={"answer": {**first.answer, "scores": [9e9] * 10}})
    resigned(popular, proof=(lie, *rest))
    with pytest.raises(ProofFailed, match="row 0"):
        scorers.prove(load(popular))


def test_a_model_without_proof_does_not_pass(popular: Path) -> None:
    resigned(popular, proof=())
    with pytest.raises(ProofFailed, match="no proof"):
        scorers.prove(load(popular))


@pytest.mark.parametrize("name", ["hybrid", "IALSRecommender", "CosineUserKNNRecommender"])
def test_nothing_in_an_artefact_is_a_pickle(name: str, tmp_path: Path) -> None:
    learners.write(learnt(name), tmp_path, signer=KEY)
    assert {path.name for path in tmp_path.iterdir()} == {ARRAYS_NAME, MANIFEST_NAME}
    header = (tmp_path / ARRAYS_NAME).read_bytes()
    length = int.from_bytes(header[:8], "little")
    described = json.loads(header[8 : 8 + length])
    assert {told["dtype"] for told in described.values()} <= {"F32", "I64", "I32", "U8"}
