"""What became of an announced model in inference: whoever trained it can say whether it serves."""

from typing import ClassVar, Literal

from contracts.envelope import Event


class ModelLoaded(Event):
    """An inference process has proven a model and can answer by it; takes an earlier refusal back.

    It is said once, not at each load: a model that memory had no room for is loaded again when
    somebody asks for it.
    """

    key_fields: ClassVar[tuple[str, ...]] = ("model_id",)

    type: Literal["ModelLoaded"] = "ModelLoaded"
    model_id: int
    version: str


class ModelRefused(Event):
    """An inference process does not serve a model, and why; a later `ModelLoaded` takes it back."""

    key_fields: ClassVar[tuple[str, ...]] = ("model_id",)

    type: Literal["ModelRefused"] = "ModelRefused"
    model_id: int
    version: str
    #: A sentence for the model's owner.
    reason: str


class ModelForgotten(Event):
    """A model was retired: what inference said of it is over."""

    key_fields: ClassVar[tuple[str, ...]] = ("model_id",)
    ends_key: ClassVar[bool] = True

    type: Literal["ModelForgotten"] = "ModelForgotten"
    model_id: int


ModelStateEvent = ModelLoaded | ModelRefused | ModelForgotten
