"""What the reader gives: the elements of a ClinicalDocument (CDA R2, 4.1 and 4.2) as values that nobody changes.

A leaf is a non-empty attribute or a run of text; leaves are numbered in document order, so that what became of
each can be kept in one array.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from adapters.hl7v2 import Issue

__all__ = ["Document", "Node"]


class Node:
    """An element. `name`: local name, `sdtc:raceCode` for HL7's extensions. `attrs`: non-empty attributes, with
    `xsi:type`, `xml:lang`. `runs`: (elements before it, text, leaf number), white space only in narrative.

    A plain slotted class: a document has thousands, and nothing but the reader writes to it.
    """

    __slots__ = ("attrs", "kids", "leaf", "name", "parent", "runs")

    def __init__(self, name: str, attrs: dict[str, str], parent: Node | None, leaf: int) -> None:
        self.name = name
        self.attrs = attrs
        self.kids: list[Node] = []
        self.runs: list[tuple[int, str, int]] | tuple[()] = ()
        self.parent = parent
        self.leaf = leaf

    @property
    def text(self) -> str:
        """Its own text, without that of elements inside."""
        runs = self.runs
        return runs[0][1] if len(runs) == 1 else "".join([run[1] for run in runs])

    def get(self, name: str) -> str | None:
        """An attribute."""
        return self.attrs.get(name)

    def child(self, name: str) -> Node | None:
        """The first child element of this name."""
        for kid in self.kids:
            if kid.name == name:
                return kid
        return None

    def children(self, name: str) -> list[Node]:
        return [kid for kid in self.kids if kid.name == name]

    def attribute_leaf(self, name: str) -> int:
        """The leaf number of an attribute that is there."""
        return self.leaf + list(self.attrs).index(name)

    def leaves(self) -> list[int]:
        """The leaf numbers of its own attributes and text."""
        return [*range(self.leaf, self.leaf + len(self.attrs)), *[run[2] for run in self.runs if run[2] >= 0]]

    def end(self) -> int:
        """One more than the last leaf number in and below it."""
        node, last = self, self.leaf + len(self.attrs)
        while True:
            last = max([last, node.leaf + len(node.attrs), *[run[2] + 1 for run in node.runs]])
            if not node.kids:
                return last
            node = node.kids[-1]

    def walk(self) -> Iterator[Node]:
        """This element and all below, in document order."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.kids))

    def content(self) -> Iterator[Node | str]:
        """Elements and text in order (mixed content)."""
        place = 0
        for before, text, _ in self.runs:
            yield from self.kids[place:before]
            place = before
            yield text
        yield from self.kids[place:]

    def whole_text(self) -> str:
        """All text in and below it, in order."""
        return "".join([item if isinstance(item, str) else item.whole_text() for item in self.content()])

    def has_template(self, root: str) -> bool:
        """Whether it claims a template, in whatever version."""
        return any(kid.name == "templateId" and kid.attrs.get("root") == root for kid in self.kids)


class Document:
    """A ClinicalDocument. `ids`: narrative elements by ID. `owners`: the element of each leaf."""

    __slots__ = ("_paths", "ids", "issues", "owners", "root", "sha256")

    def __init__(
        self, root: Node, sha256: bytes, ids: Mapping[str, Node], owners: tuple[Node, ...], issues: tuple[Issue, ...]
    ) -> None:
        self.root = root
        self.sha256 = sha256
        self.ids = ids
        self.owners = owners
        self.issues = issues
        self._paths: dict[int, str] = {}  # only memory: nodes live as long as their document

    def leaf_count(self) -> int:
        return len(self.owners)

    def path(self, leaf: int) -> str:
        """`/ClinicalDocument[1]/id[1]/@root`, `/ClinicalDocument[1]/title[1]/text()[1]`."""
        node = self.owners[leaf]
        names = list(node.attrs)
        place = leaf - node.leaf
        if 0 <= place < len(names):
            return f"{self.node_path(node)}/@{names[place].rpartition(':')[2]}"
        at = next(index for index, run in enumerate(node.runs, 1) if run[2] == leaf)
        return f"{self.node_path(node)}/text()[{at}]"

    def value(self, leaf: int) -> str:
        """The text of a leaf."""
        node = self.owners[leaf]
        place = leaf - node.leaf
        if 0 <= place < len(node.attrs):
            return list(node.attrs.values())[place]
        return next(run[1] for run in node.runs if run[2] == leaf)

    def node_path(self, node: Node) -> str:
        """`/ClinicalDocument[1]/recordTarget[1]`."""
        known = self._paths.get(id(node))
        if known is not None:
            return known
        parent = node.parent
        if parent is None:
            self._paths[id(node)] = f"/{_local(node.name)}[1]"
        else:
            start = self.node_path(parent)
            counts: dict[str, int] = {}
            for kid in parent.kids:
                name = _local(kid.name)
                counts[name] = counts.get(name, 0) + 1
                self._paths[id(kid)] = f"{start}/{name}[{counts[name]}]"
        return self._paths[id(node)]


def _local(name: str) -> str:
    return name.rpartition(":")[2] if name[0] != "{" else name.rpartition("}")[2]
