"""What all layers are: a description, and one function of what they are called with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from msgspec import Struct, StructMeta

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError, ShapeError, UnsupportedError

from ..limits import Limit, within
from ..tracing.tree import flatten, map_leaves
from ..transforms import eval_shape
from .policies import Policy, policy
from .scope import Declared, Row, Run, Scope
from .symbolic import called, is_symbolic

__all__ = ["Layer", "Stepwise", "Variables", "drawn"]

Tree = Any
DEFAULT = "float32"
CARRIED = "carried_"
"""What names of states begin with that recurrent layers hand on from batch to batch."""
_NO_FLAGS: Mapping[int, bool] = {}


class Variables(NamedTuple):
    """The arrays of a layer: what training moves, and what the layer moves itself."""

    params: Tree
    state: Tree


class Described(StructMeta):
    """The kind of classes whose fields are their settings, so that what they are can be saved."""

    def __new__(cls, title: str, bases: Any, members: dict[str, Any], **options: Any) -> Any:
        if "__init__" in members:
            raise UnsupportedError(
                f"{title} has an __init__, and the settings of a layer are fields",
                fix="write each as a field, as in `units: int = 8`, without an __init__; layers"
                " inside are fields too, or made in call and computed by scope(layer, x)",
                loc=user_location(),
            )
        return super().__new__(cls, title, bases, members, **options)


class Layer(Struct, metaclass=Described, kw_only=True, eq=False, dict=True, weakref=True):
    """A layer: fields that describe it, and `call(scope, *inputs)`, which is what it does.

    `call` asks the scope for weights: `init` writes down what it asks for and draws it, `apply`
    hands it in. Both are pure. A layer that is called with an `Input` becomes part of a model.

    >>> import numpy as np
    >>> import symfuse as sf
    >>> class Scale(sf.nn.Layer):
    ...     begin: float = 1.0
    ...     def call(self, scope, x):
    ...         return x * scope.weight("scale", x.shape[-1], sf.initializers.Constant(self.begin))
    >>> params, state = Scale(2.0).init(sf.random.key(0), "f32[N,3]")
    >>> y, state = Scale(2.0).apply(params, state, np.ones((1, 3), "float32"))
    >>> y.tolist()
    [[2.0, 2.0, 2.0]]
    """

    name: str | None = None
    trainable: bool = True
    dtype: Any = None

    is_model = False  # whether it is a model, which pictures show with its layers inside
    autocast = True  # whether inputs are converted to the type that the layer computes in
    supports_masking = False  # whether results have the masks of inputs
    input_ndim: ClassVar[int | None] = None  # how many axes the first input has, batch included
    min_input_ndim: ClassVar[int] = 0  # or how many at least
    limits: ClassVar[Mapping[str, Limit]] = within()  # what fields may be, by their names

    def __post_init__(self) -> None:
        for name, limit in self.limits.items():
            limit.expect(getattr(self, name), type(self).__name__, name)

    def call(self, scope: Scope, *inputs: Any, **options: Any) -> Any:
        """What the layer makes of its inputs; written by each layer."""
        raise UnsupportedError(
            f"{type(self).__name__} does not say what it computes",
            fix="define call(self, scope, *inputs)",
            loc=user_location(),
        )

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the results, for inputs that have this mask: lists for several values."""
        return mask if self.supports_masking else None

    def expect_axes(self, inputs: Any) -> None:
        """Raise ShapeError where the first input has more axes than the layer knows, or fewer;
        ArgumentError where several are in its place."""
        first = inputs[0] if inputs else None
        rank = getattr(first, "ndim", None)
        if isinstance(first, list | tuple | dict) and (self.input_ndim or self.min_input_ndim):
            raise ArgumentError(
                f"{self.name or type(self).__name__}: a {type(first).__name__} of"
                f" {len(first)} is given for one input",
                fix="give an array; a model of several inputs is sf.nn.Model([a, b], outputs)",
                loc=user_location(),
            )
        if rank is None or (self.input_ndim in (None, rank) and rank >= self.min_input_ndim):
            return
        wanted = self.input_ndim or f"at least {self.min_input_ndim}"
        raise ShapeError(
            f"{self.name or type(self).__name__}: an input of shape {tuple(inputs[0].shape)} has"
            f" {rank} axes, not {wanted}",
            fix="give it one with that many, of which the first is that of examples, or use the"
            " layer for inputs of this kind",
            loc=user_location(),
        )

    def init(self, key: Any, *specs: Any, **options: Any) -> tuple[Tree, Tree]:
        """The params and the state before training, for inputs of these specs."""
        declared, _ = self.declared(*specs, **options)
        params, state = drawn(declared, key)
        return params, state

    def apply(
        self,
        params: Tree,
        state: Tree,
        *inputs: Any,
        training: bool = False,
        key: Any = None,
        **options: Any,
    ) -> tuple[Any, Tree]:
        """What the layer makes of the inputs with these arrays, and the state afterwards."""
        run = Run(training=training, key=key)
        return self.run(run, params, state, *inputs, **options)

    def run(
        self, run: Run, params: Tree, state: Tree, *inputs: Any, **options: Any
    ) -> tuple[Any, Tree]:
        """`apply` in a run of one's own, which has the losses that layers added."""
        new = _copied(state)
        scope = Scope(run, params, new, self.policy, moves=run.moves(self))
        return scope.run(self, inputs, options), new

    def declared(
        self,
        *specs: Any,
        seen: list[Row] | None = None,
        flags: Mapping[int, bool] = _NO_FLAGS,
        **options: Any,
    ) -> tuple[Variables, Any]:
        """What the layer asks for, and the specs of what it gives, for inputs of these specs.

        The calls of layers inside are added to `seen`, where it is given. `flags` has what
        `trainable` was at an earlier time, by the ids of layers.
        """
        params: dict[str, Any] = {}
        state: dict[str, Any] = {}

        def declaring(*inputs: Any, **named: Any) -> Any:
            if seen is not None:
                seen.clear()  # of an attempt before
            run = Run(declares=True, training=True, seen=seen, flags=flags)
            scope = Scope(run, params, state, self.policy, moves=run.moves(self))
            return scope.run(self, inputs, {**fixed, **named})

        fixed = {name: value for name, value in options.items() if not _has_specs(value)}
        others = {name: value for name, value in options.items() if _has_specs(value)}
        result = eval_shape(declaring, *specs, **others)
        return Variables(_pruned(params), _pruned(state)), result

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """The symbolic outputs for symbolic inputs; this layer is then part of their model."""
        if not is_symbolic((inputs, options)):
            raise UnsupportedError(
                f"{type(self).__name__} is called with arrays, and has none of its own",
                fix="use params, state = layer.init(key, x) and layer.apply(params, state, x),"
                " or make a model of it: sf.nn.Sequential([layer])",
                loc=user_location(),
            )
        return called(self, inputs, options)

    @property
    def policy(self) -> Policy:
        """The element types of the layer where no model says otherwise."""
        return policy(self.dtype or DEFAULT)

    # What is kept with a layer, for models that share it ---------------------------------------

    def children(self) -> dict[str, Layer]:
        """The layers whose arrays are kept with themselves, by the name that they have here."""
        return {}

    @property
    def held(self) -> Variables | None:
        """The arrays that are kept with the layer; None before a model is built."""
        parts = {name: child.held for name, child in self.children().items()}
        if not parts:
            return self.__dict__.get("_held")
        if any(part is None for part in parts.values()):
            return None
        params = {name: part.params for name, part in parts.items() if part and part.params}
        return Variables(
            params, {name: part.state for name, part in parts.items() if part and part.state}
        )

    def hold(self, values: Variables, *, keep: bool = False) -> None:
        """Keep these arrays with the layer and its parts; `keep` leaves what is there already."""
        children = self.children()
        for name, child in children.items():
            part = Variables(values.params.get(name, {}), values.state.get(name, {}))
            child.hold(part, keep=keep)
        if not children and not (keep and self.held is not None):
            self.__dict__["_held"] = values

    def arrays(self) -> Variables:
        """What the layer holds; ArgumentError before its model is built."""
        if self.held is None:
            raise ArgumentError(
                f"this {type(self).__name__} has no weights yet",
                fix="build the model that it is part of, or fit it",
                loc=user_location(),
            )
        return self.held

    def get_weights(self) -> list[Any]:
        """Copies of all arrays, in the order of their names: bias before kernel."""
        return [np.copy(leaf) for leaf in flatten(self.arrays())[0]]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Take copies of arrays in the order of `get_weights`."""
        old, tree = flatten(self.arrays())
        shapes = [leaf.shape for leaf in old]
        if [np.shape(one) for one in weights] != shapes:
            raise ArgumentError(
                f"there are {len(shapes)} arrays of shapes {shapes}",
                fix="give what get_weights gives",
                loc=user_location(),
            )
        pairs = zip(weights, old, strict=True)
        self.hold(tree.unflatten([np.array(one, leaf.dtype) for one, leaf in pairs]))

    def reset_states(self) -> None:
        """Set to zero what stateful recurrent layers, this one or those inside, have carried on."""
        if self.held is not None:
            params, state = self.held
            self.hold(Variables(params, _without_carried(state)))

    def flags(self) -> dict[int, bool]:
        """What `trainable` is now, of this layer and of all inside, by their ids."""
        fields = [getattr(self, name) for name in self.__struct_fields__]
        inner = [*self.children().values(), *flatten(fields)[0]]
        found = {id(self): self.trainable}
        for child in inner:
            found |= child.flags() if isinstance(child, Layer) else {}
        return found


class Stepwise(Layer):
    """A layer that leaves the steps of sequences where they are: results have the inputs' masks."""

    supports_masking = True


def drawn(declared: Variables, key: Any) -> Variables:
    """The first values of the arrays that a layer asks for."""
    found: Variables = map_leaves(lambda one: one.drawn(key), declared)
    return found


def _has_specs(value: Any) -> bool:
    return any(hasattr(leaf, "shape") for leaf in flatten(value)[0])


def _copied(tree: Tree) -> Tree:
    """Dicts of one's own around the same arrays."""
    return {name: _copied(part) for name, part in tree.items()} if isinstance(tree, dict) else tree


def _without_carried(tree: Tree) -> Tree:
    """The state with zeros where recurrent layers carry something on."""
    if not isinstance(tree, dict):
        return tree
    return {
        name: np.zeros_like(part) if name.startswith(CARRIED) else _without_carried(part)
        for name, part in tree.items()
    }


def _pruned(tree: Tree) -> Tree:
    """The tree without dicts that hold nothing."""
    if isinstance(tree, Declared):
        return tree
    parts = {name: _pruned(part) for name, part in tree.items()}
    return {name: part for name, part in parts.items() if part != {}}
