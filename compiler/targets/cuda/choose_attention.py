"""Which attentions a kernel computes that never stores the scores, and why not the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from math import inf

from msgspec.structs import replace

from symfuse.runtime.dtypes import DType

from ...ir.dims import is_at_most, product
from ...ir.graph import Graph
from ...ir.node import Node
from ...ir.op import operations
from ...ir.regions import with_inner
from ...ir.walk import topological
from ...kernel.attention import build_attention
from ...kernel.attention_form import AttentionForm, Mask
from ...kernel.attention_slopes import build_slopes
from ...kernel.device.attention import plan_attention
from ...kernel.device.attention_slopes import plan_slopes
from ...kernel.domain import element_cost
from ...kernel.lower import Buffers
from ...kernel.processor import Device
from ...ops import convert
from ...passes.inlining import inlined_nodes, is_free
from .attention import Attention, Sighting, exact, find_attention, roles_of, weights_of
from .attention_network import network_of
from .attention_slopes import Slopes, for_blocks, named, slopes_of
from .fused_attention import Attentions, FusedAttention
from .scores import Step

__all__ = ["choose_attention", "without_sums_over_keys"]

AFFORDABLE = 1 << 30  # bytes of scores in halves that are stored where that is faster
CHEAP = 48  # cost up to which a mask is computed for each score rather than read
FEW = 8  # queries or keys up to which the scores are small
COMPUTED = (DType.F16, DType.BF16, DType.F32, DType.F64)
LARGE_FILL = -1e30  # a mask's number that leaves nothing of a key beside one that is seen
_TIMED = "on the device plans of cuDNN are timed beside it"
_OPEN = "its sizes are open, so a plan of cuDNN computes it where there is one"
_ALWAYS = 'cuDNN computes it instead: the option cudnn is "always"'
_SHARED = "cuDNN has none of them: what the first keeps of each row is read by the second"


def choose_attention(
    graph: Graph,
    sees_through: Callable[[Node], bool],
    numerics: str,
    device: Device,
    *,
    available: bool,
    missing: str = "cuDNN is not installed",
    always: bool = False,
) -> Attentions:
    """Every attention of a graph, and whether one kernel computes it; `available`: the library
    would compute its products. cuDNN may do it, unless it is `missing` for the reason given, small
    ones only if it is asked for `always`."""
    fused: dict[Node, FusedAttention] = {}
    told: dict[Node, str] = {}
    for sighting, found in _decisions(graph, sees_through, device, available=False):
        seen, why_not = sighting.attention, ""
        if not isinstance(found, str) and seen is not None:
            shared = _SHARED if found.slopes is not None else ""
            network = missing or shared or network_of(seen, sees_through, numerics, always=always)
            if not isinstance(network, str):
                found = replace(found, network=network)
            elif available and (reason := _why_library(seen, found.form, sees_through, device)):
                told[sighting.root] = _told(sighting, reason)
                continue
            else:
                why_not = network
            found = _without_hidden(found, _mask(seen), sees_through, numerics)
            fused |= dict.fromkeys(found.anchors, found)
        told[sighting.root] = _told(sighting, found, why_not, always=always)
    inside = {node for found in dict.fromkeys(fused.values()) for node in found.stored}
    inside -= {found.form.root for found in fused.values()}
    return Attentions(fused, tuple(told[root] for root in told if root not in inside))


def without_sums_over_keys(graph: Graph, device: Device, *, available: bool) -> Graph:
    """The graph in which derivatives that become kernels read no sums over scores; those in it,
    too."""
    inlined = inlined_nodes(graph)

    def sees_through(node: Node) -> bool:
        return node in inlined or is_free(node)

    outputs = len(graph.outputs)
    graph = _with_results(graph)
    decisions = _decisions(graph, sees_through, device, available=available, anywhere=True)
    found = [one.slopes for _, one in decisions if not isinstance(one, str)]
    graph = for_blocks(graph, [slopes for slopes in found if slopes is not None])
    graph = graph.with_outputs(graph.outputs[:outputs])
    if not any(node.op.regional for node in graph.nodes):
        return graph
    better = cache(partial(without_sums_over_keys, device=device, available=available))
    return graph.with_each(lambda node: with_inner(graph.builder, node, better))


def _with_results(graph: Graph) -> Graph:
    """The graph, with attentions as further outputs of which it has nothing but derivatives."""
    results = []
    with graph.builder.active():
        for sighting in find_attention(graph):
            found = weights_of(sighting.root) if sighting.attention is None else None
            slopes = None if found is None else _slopes_beside(graph, *found)
            if found is not None and slopes is not None:
                with graph.builder.deriving(slopes.source):
                    results.append(_result(*found, slopes))
    return graph.with_outputs((*graph.outputs, *results)) if results else graph


def _slopes_beside(graph: Graph, weights: Node, axis: int) -> Node | None:
    """The one product that weights, or what follows from them, meet; None if they are themselves
    multiplied by values."""
    before, seen, stack = set(topological([weights])), {weights}, [weights]
    products: set[Node] = set()
    while stack:
        for user in graph.users[stack.pop()]:
            operands = [exact(source) for source in user.inputs]
            multiplied = user.op.contraction and weights in operands
            if multiplied and user.attr("contracting")[operands.index(weights)] == (axis,):
                return None
            if user.op.body is not None and user.shape == weights.shape and user not in seen:
                seen.add(user)
                stack.append(user)
                products |= {x for x in operands if x.op.contraction} - before
    return products.pop() if len(products) == 1 else None


def _result(weights: Node, axis: int, slopes: Node) -> Node:
    """weights · v, of slopes = given · vᵀ."""
    left = roles_of(slopes, 0)
    count = len(left.batch)
    side = int(axis >= count + len(left.own))
    values, roles = slopes.inputs[side], roles_of(slopes, side)
    if values.dtype is not weights.dtype:
        weights = convert(weights, dtype=values.dtype)
    pairs = {"batch": (tuple(range(count)), roles.batch), "contracting": ((axis,), roles.own)}
    found: Node = operations["contract"](weights, values, **pairs)
    return found


def _decisions(
    graph: Graph,
    sees_through: Callable[[Node], bool],
    device: Device,
    *,
    available: bool,
    anywhere: bool = False,
) -> Iterator[tuple[Sighting, FusedAttention | str]]:
    """Each attention with its kernels, or why it has none; `anywhere`: even if its derivatives sum
    over keys."""
    for sighting in find_attention(graph):
        seen = sighting.attention
        if seen is None:
            yield sighting, sighting.reason
            continue
        found = _fused(graph, seen, sees_through, device)
        if available and not isinstance(found, str):
            found = _why_library(seen, found.form, sees_through, device) or found
        waits = not isinstance(found, str) and found.slopes is not None and found.slopes.row_sums
        yield sighting, "its derivatives sum over keys" if waits and not anywhere else found


def _told(
    sighting: Sighting, found: FusedAttention | str, why_not: str = "", *, always: bool = False
) -> str:
    if sighting.attention is None:
        return str(sighting)
    if isinstance(found, str):
        return f"{sighting}; the scores are stored: {found}"
    told = f"{sighting}; one kernel computes it block by block and stores no scores"
    if found.slopes is not None:
        told = f"{told}, another does so with its derivatives"
    if found.network is not None:
        sizes = (size for tensor in found.network.operands for size in tensor.extents)
        settled = all(isinstance(size, int) for size in sizes)
        return f"{told}; {_ALWAYS if always else _TIMED if settled else _OPEN}"
    return f"{told}; {why_not}" if why_not else told


def _fused(
    graph: Graph, seen: Attention, sees_through: Callable[[Node], bool], device: Device
) -> FusedAttention | str:
    """The kernels of an attention, or why its scores are stored."""
    form = _form(seen)
    apart = [node for node in seen.read_elsewhere if not _is_of_rows(node, seen)]
    slopes = slopes_of(graph, seen, form) if apart else None
    if isinstance(slopes, str):
        return f"{named(apart[0])} is also read elsewhere: {slopes}"
    if reason := _why_not(seen, form, sees_through, device):
        return reason
    if slopes is not None and (reason := _why_no_slopes(slopes, sees_through, device)):
        return reason
    rows = {_stored(node) for node in seen.read_elsewhere if node not in apart}
    parts = {_product_of(seen): seen.nodes}
    if slopes is not None:
        rows |= seen.nodes.intersection(slopes.form.rows)
        parts[slopes.roots[0]] = slopes.nodes
    nodes = {
        anchor: tuple(node for node in graph.nodes if node in inside)
        for anchor, inside in parts.items()
    }
    form = replace(form, rows=tuple(node for node in graph.nodes if node in rows))
    beside = _beside(graph, seen, frozenset() if slopes is None else slopes.form.nodes)
    return FusedAttention(form, slopes, None, beside, nodes)


def _without_hidden(
    found: FusedAttention, step: Step | None, sees_through: Callable[[Node], bool], numerics: str
) -> FusedAttention:
    """Without the blocks that a mask hides. What these add is computed in another way, but for
    fast numerics where it is nothing as long as all values are finite."""
    if step is None or step.node is None:
        return found
    if numerics == "fast" and _hides_all(step):
        return replace(found, diagonal=step.diagonal)
    form, slopes = replace(found.form, mask=Mask(step.node, step.keep)), found.slopes
    buffers = Buffers({}, {})
    if build_attention(form, sees_through, buffers).hidden is None:
        return found
    if slopes is not None and not slopes.form.merged:
        slopes = replace(slopes, form=replace(slopes.form, attention=form))
        draft = build_slopes(slopes.form, sees_through, buffers)
        if not all(total.hidden for side in draft.sides for total in side.sums):
            return found
    return replace(found, form=form, slopes=slopes, diagonal=step.diagonal)


def _is_of_rows(node: Node, seen: Attention) -> bool:
    """Whether there is one number of each row, perhaps copied."""
    return _stored(node).shape == seen.total.shape


def _stored(node: Node) -> Node:
    """What a view shows."""
    while node.op.moves is not None:
        node = node.inputs[0]
    return node


def _why_not(
    found: Attention, form: AttentionForm, sees_through: Callable[[Node], bool], device: Device
) -> str:
    """The first reason to store the scores; empty if there is none."""
    if found.root.dtype not in COMPUTED or found.modified.dtype not in COMPUTED:
        return f"{found.root.dtype} is no float"
    of_q, of_k, of_v = found.roles
    if not all(len(r) == 1 for r in (of_q.summed, of_k.own, of_v.own)) or not of_q.own:
        return "queries, keys and width are not one axis each"
    q, k, _ = found.operands
    sizes = {"queries": q.shape[of_q.own[-1]], "keys": k.shape[of_k.own[0]]}
    for name, size in sizes.items():
        if isinstance(size, int) and size <= FEW:
            return f"there are only {size} {name}"
    if 1 in (q.shape[of_q.summed[0]], found.operands[2].shape[of_v.own[0]]):
        return "a head has one element"
    draft = build_attention(form, sees_through, Buffers({}, {}))
    tiling = plan_attention(draft, device)
    return tiling if isinstance(tiling, str) else ""


def _why_no_slopes(slopes: Slopes, sees_through: Callable[[Node], bool], device: Device) -> str:
    """The first reason to store the scores for the derivatives; empty if there is none."""
    for root in slopes.roots:
        if root.dtype not in COMPUTED:
            return f"{root.dtype} is no float"
    draft = build_slopes(slopes.form, sees_through, Buffers({}, {}))
    tilings = plan_slopes(draft, device)
    return tilings if isinstance(tilings, str) else ""


def _why_library(
    found: Attention, form: AttentionForm, sees_through: Callable[[Node], bool], device: Device
) -> str:
    """Why the scores are rather stored between two products of the library."""
    nbytes = product(found.scores.shape) * found.scores.dtype.itemsize
    if not found.scores.dtype.is_half or is_at_most(nbytes, AFFORDABLE) is not True:
        return ""
    square = plan_attention(build_attention(form, sees_through, Buffers({}, {})), device)
    if not isinstance(square, str) and square.fragment is not None:
        return ""
    return "they are few, and only the library multiplies such halves by matrices"


def _product_of(found: Attention) -> Node:
    return found.root if found.root.op.contraction else found.root.inputs[0]


def _form(found: Attention) -> AttentionForm:
    product = _product_of(found)
    return AttentionForm(
        found.root,
        found.operands,
        found.roles,
        found.scores,
        found.modified,
        found.nodes,
        product.attr("batch")[found.turned],
        found.key_axis != found.scores.rank - 1,
        found.turned,
        found.greatest,
        found.total,
    )


def _beside(graph: Graph, found: Attention, slopes: frozenset[Node]) -> frozenset[Node]:
    """The maps of the size of scores that follow cheaply from what is smaller, as masks do from
    positions."""
    chosen: set[Node] = set()
    for step in (*found.between, *slopes):
        for source in step.inputs:
            inside = source in found.nodes or source in slopes
            maps = None if inside else _maps_from_less(source)
            if maps is None or any(user.op.regional for n in maps for user in graph.users[n]):
                continue
            if sum(map(element_cost, maps)) <= CHEAP:
                chosen |= maps
    return frozenset(chosen)


def _maps_from_less(node: Node) -> set[Node] | None:
    """The maps behind views that lead to a value from others of fewer axes; None if some do not."""
    maps: set[Node] = set()
    ends: set[Node] = set()
    seen: set[Node] = set()
    stack = [node]
    while stack:
        one = stack.pop()
        if one in seen or one.op.name == "iota" or one.number is not None:
            continue
        seen.add(one)
        if one.op.body is not None and not one.is_parameter:
            maps.add(one)
            stack.extend(one.inputs)
        elif one.op.moves is not None:
            stack.extend(one.inputs)
        else:
            ends.add(one)
    most = max(map(_long_axes, maps), default=0)
    return maps if all(_long_axes(one) < most for one in ends) else None


def _long_axes(node: Node) -> int:
    return sum(size != 1 for size in node.shape)


def _mask(found: Attention) -> Step | None:
    """The one mask, if it hides the keys behind a diagonal."""
    if found.diagonal is None or found.key_axis != found.scores.rank - 1:
        return None
    return next(step for step in found.steps or () if step.kind == "mask")


def _hides_all(step: Step) -> bool:
    """Whether nothing can come of what is hidden, as long as all values are finite."""
    large = step.number <= LARGE_FILL and step.diagonal is not None and step.diagonal >= 0
    return step.number == -inf or large
