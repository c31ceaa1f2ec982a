"""Which folder of a set is what: a split, a class, or one that says nothing of its images.

Folders of one depth are looked at together, those below several splits too, so that `train/good` alone is read as what
`test/good` and `test/bad` make of it.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from workbench.catalog import ReadOptions
from workbench.images import SPLITS, Finding, Guess, LeftOut, Question
from workbench.sets.folder_tree import Branch, Folder, kind_of, names_below
from workbench.sets.words import (
    SECOND_MEANINGS,
    beside_split,
    is_copy,
    is_dated,
    is_lot,
    is_plain_split,
    split_of,
    split_within,
    tokens,
)
from workbench.texts import reads_as_good

Groups = dict[str, list[Branch]]
Roles = dict[str, str]
NO_CLASS = "in a folder of masks, annotations or results, not of images of the set"
COPY = "in a folder that holds the set once more"
APART = "beside the folder that the set seems to begin in"
EVERY, ITSELF = "*", "."
"""Of the option `root`: the set begins in each folder; and in the root itself, whatever its folders are called."""


@dataclass
class FolderRoles:
    """What was made of the folders of a set.

    Attributes:
        options: Corrections.
        top: What the root is called.
        prefix: Where the root lies below that of the whole.
        are_masks: Whether images are masks, by their values.
        places: Folders with images, each with what is known of them.
        splits: The words that were read as splits, and what as.
        nameless: Folders beside splits whose names say nothing, and what they are read as.
        among: Folders of the depth at hand that lie beside others of no meaning, in one folder.
        narrowed: Whether what lies outside of one folder is taken for no part of the set.
        skip: Whether the first folders that could be classes are said to be none.
    """

    options: ReadOptions
    top: str
    prefix: PurePosixPath
    are_masks: Callable[[Sequence[PurePosixPath]], bool]
    places: list[Branch] = field(default_factory=list)
    splits: dict[str, str] = field(default_factory=dict)
    guesses: list[Guess] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    nameless: Roles = field(default_factory=dict)
    among: set[str] = field(default_factory=set)
    narrowed: bool = False
    skip: bool = False

    @property
    def strict(self) -> bool:
        """Whether a person said where the set begins."""
        return self.options.root is not None

    def read(self, root: Folder) -> None:
        """Understand all folders below `root`."""
        self.skip = self.strict and PurePosixPath(str(self.options.root)).name == EVERY
        places = [Branch(root)]
        while places:
            places = self._level(places)
        for name, split in self.splits.items():
            if name in self.options.splits:
                self.guesses.append(Guess("splits", f"{name} is {split}", "the options say so", "stated", "splits"))
            elif not is_plain_split(name):
                self.guesses.append(Guess("splits", f"{name} is read as {split}", "its form", "recognised", "splits"))
        usual = [name for name in self.splits if is_plain_split(name) and name not in self.options.splits]
        if usual:
            value = ", ".join(sorted(usual))
            self.guesses.append(Guess("splits", value, "folders of these names", "recognised", "splits"))

    def _level(self, places: Sequence[Branch]) -> list[Branch]:
        """Folders above classes; hands back the folders in them that are above classes too."""
        self.places += [place for place in places if place.folder.images]
        groups = _children(places)
        if not groups:
            return []
        kinds = [{name: kind_of(name, self.options) for name in place.folder.folders} for place in places]
        self.among = {name for kind in kinds if {"plain", "class"} & set(kind.values()) for name in kind}
        roles, lower = self._roles(groups), []
        for name, members in groups.items():
            role = roles[name]
            if role in ("class", "both"):
                label = beside_split(name) if role == "both" else name
                known = [self._in_split(place, name) for place in members] if role == "both" else members
                inner = [dataclasses.replace(place, label=label) for place in known]
                while inner:
                    inner = self._below(inner)
            elif role in ("masks", "aside", "copy", "apart"):
                self._leave_out({"copy": COPY, "apart": APART}.get(role, NO_CLASS), members, name)
            elif role == "split":
                lower += [self._in_split(place, name) for place in members]
            elif role == "folder":
                lower += [_further(place, name) for place in members]
            else:
                lower += members
        return lower

    def _below(self, places: Sequence[Branch]) -> list[Branch]:
        """Folders in the folders of a class: splits, or of no other meaning than that images lie together in them."""
        self.places += [place for place in places if place.folder.images]
        groups = _children(places)
        kinds = {name: kind_of(name, self.options) for name in groups}
        only_aside = not any(place.folder.images for place in places) and set(kinds.values()) <= {"masks", "aside"}
        meanings = {split_of(name, self.options) for name, kind in kinds.items() if kind == "split"}
        are_splits = len(meanings) > 1 or "plain" not in kinds.values()
        lower: list[Branch] = []
        for name, members in groups.items():
            if kinds[name] == "split" and are_splits:
                lower += [self._in_split(place, name) for place in members]
            elif kinds[name] in ("masks", "aside") and not only_aside:
                self._leave_out(NO_CLASS, members, name)
            elif kinds[name] in ("images", "masks", "aside"):
                lower += members
            else:
                lower += [_further(place, name) for place in members]
        return lower

    def _in_split(self, place: Branch, name: str) -> Branch:
        split = self.splits.setdefault(name, split_of(name, self.options) or split_within(name) or "")
        if place.split not in (None, split):
            sentence = f"{place.folder.path} lies in a folder of the {place.split} split: it is read as {split}."
            self.findings.append(Finding("splits", sentence))
        return dataclasses.replace(place, split=split or None)

    def _leave_out(self, reason: str, members: Sequence[Branch], name: str) -> None:
        images = [str(self.prefix / path) for place in members for path in place.folder.all_images()]
        self.left_out.append(LeftOut(f"{reason} ({name})", tuple(images)))
        self.guesses.append(
            Guess("labels", f"{name} is no class", f"{reason}; label.{name} = {name} makes it a class", "recognised",
                  "labels")
        )  # fmt: skip

    # What the folders of one depth are

    def _roles(self, groups: Groups) -> Roles:
        roles = {name: self.nameless.get(name, kind_of(name, self.options)) for name in groups}
        if set(roles.values()) <= {"masks", "aside"}:
            return dict.fromkeys(roles, "images")
        self._masks_or_classes(groups, roles)
        plain, splits, holders = ([n for n in roles if roles[n] == kind] for kind in ("plain", "split", "images"))
        if self.skip and plain:
            self.skip = False
            return roles | dict.fromkeys(plain, "folder")
        self._two_meanings(splits)
        if plain and any(self._inner(groups, [n]) & self._inner(groups, plain) for n in holders):
            plain, holders = plain + holders, []
        roles |= dict.fromkeys(plain, "class")
        if splits and plain:
            return roles | self._beside_splits(groups, plain, splits)
        if plain and not splits and (both := self._split_and_class(plain)):
            return roles | both
        if len(plain) + len(holders) > 1 and all(map(is_copy, plain + holders)):
            return roles | self._copies(groups, plain + holders)
        begins = [name for name in holders if self._inner(groups, [name])]
        if plain and begins and not self.strict and not set(plain) & self._inner(groups, begins):
            others = [name for name in plain + holders if name != begins[0]]
            return roles | self._begins_in(groups, begins, others)
        if plain and not self.strict:
            alone = len(plain) == 1 and not holders and list(roles.values()).count("class") == 1
            roles |= self._single(groups, plain[0]) if alone else {}
            roles |= self._several(groups, plain) if len(plain) > 1 else {}
        if plain and all(roles[name] == "class" for name in plain):
            roles |= self._odd_classes(groups, plain, holders)
        return roles

    def _inner(self, groups: Groups, names: Iterable[str]) -> set[str]:
        return names_below((place.folder for name in names for place in groups[name]), self.options)

    def _split_and_class(self, plain: Sequence[str]) -> Roles:
        """Folders that say split and class in one name: `train_good`, `test_good`, `testA`."""
        splits: dict[str, set[str]] = defaultdict(set)
        for name in plain:
            splits[beside_split(name)].add(split_within(name) or "")
        if all(split_within(name) for name in plain) and any(len(found) > 1 for found in splits.values()):
            return dict.fromkeys(plain, "both")
        hints = {split_within(name) for name in plain} - {None}
        for name in plain if len(hints) > 1 else ():
            hint = split_within(name)
            if hint and name not in self.options.splits:
                choices = (("none", f"{name} is a class"), (hint, f"the {hint} split"))
                self.questions.append(Question(f"split.{name}", f"{name} may be a class or a split.", choices))
        return {}

    def _masks_or_classes(self, groups: Groups, roles: Roles) -> None:
        """Folders called mask or label whose images are photos are classes, beside others (`mask`, `no_mask`)."""
        if not any(role in ("plain", "class") for role in roles.values()):
            return
        for name in [name for name, role in roles.items() if role == "masks"]:
            images = [path for place in groups[name] for path in place.folder.all_images()]
            if not self.are_masks(images):
                roles[name] = "class"
                self._ask_class(name, True, "its images are photos by their values, but its name is one of masks")

    def _two_meanings(self, splits: Sequence[str]) -> None:
        """Words such as eval and dev mean another split where a folder beside them has their first meaning."""
        for name in splits:
            second = next((SECOND_MEANINGS[part] for part in tokens(name) if part in SECOND_MEANINGS), None)
            first = split_of(name, self.options)
            others = {split_of(other, self.options) for other in splits if other != name}
            if second is None or first not in others or name in self.options.splits:
                continue
            order = (first, second) if second in others else (second, first)
            self.splits[name] = str(order[0])
            choices = tuple((str(split), f"its images are of the {split} split") for split in order)
            self.questions.append(
                Question(f"split.{name}", f"{name} may be either split, as another folder is {first} too.", choices)
            )

    def _beside_splits(self, groups: Groups, plain: Sequence[str], splits: Sequence[str]) -> Roles:
        """Folders of other names beside some that are called like splits."""
        inner = self._inner(groups, splits)
        meanings = {split_of(name, self.options) for name in splits}
        if not inner and len(meanings) == 1:
            return self._class_or_split(groups, [n for n in splits if n not in self.options.splits], plain)
        if inner and set(plain) <= inner:
            return self._ask_root(
                groups,
                dict.fromkeys(plain, "class"),
                f"The folders {_list(plain)} lie beside {_list(splits)} and in them: are they the same images again?",
                [(ITSELF, "all are images of the set"), *((name, f"{name} alone") for name in splits)],
            )  # fmt: skip
        for name in plain:
            hint = None if name in self.options.splits else split_within(name)
            self.nameless[name] = "split" if hint else "folder"
            if name in self.options.splits:
                continue
            if hint:
                self.splits[name] = hint
            order = [hint or "none", *(split for split in ("none", *SPLITS) if split != (hint or "none"))]
            choices = tuple((s, "a folder of no split" if s == "none" else f"the {s} split") for s in order)
            sentence = f"{name} lies beside the splits {_list(splits)}, and its name is not one of a split."
            self.questions.append(Question(f"split.{name}", sentence, choices))
        return {name: self.nameless[name] for name in plain}

    def _class_or_split(self, groups: Groups, splits: Sequence[str], plain: Sequence[str]) -> Roles:
        """One split's name among folders of other names, without folders in it: `bus`, `car`, `train`."""
        roles = {}
        for name in splits:
            if all(place.split for place in groups[name]) and name not in self.among:
                roles[name] = "split"
                continue
            if any(place.split for place in groups[name]):
                roles[name] = "class"
                sentence = f"{name} lies in folders of splits beside {_list(plain)}: it is read as a class."
                self.findings.append(Finding("class called as a split", sentence))
                continue
            split = split_of(name, self.options) or split_within(name) or "none"
            if name in self.nameless:
                continue
            choices = [("none", f"{name} is a class"), (split, f"the {split} split, its images without a class")]
            if tokens(name) != ("train",):
                choices.reverse()
            roles[name] = "class" if choices[0][0] == "none" else "split"
            sentence = f"{name} lies beside {_list(plain)} and holds no folders: it may be a class, or a split."
            self.questions.append(Question(f"split.{name}", sentence, tuple(choices)))
        return roles

    def _copies(self, groups: Groups, names: Sequence[str]) -> Roles:
        """Folders that are all called like forms of the same images: `original`, `resized_224`."""
        if self.strict:
            return {}
        order = sorted(names, key=lambda name: (not {"original", "originals", "orig", "raw"} & set(tokens(name)),
                                                any(part.isdigit() for part in tokens(name)), name))  # fmt: skip
        kept = order[0]
        sentence = f"{_list(names)} seem to hold the same images in several forms."
        choices = [*((name, f"the images of {name} alone") for name in order), (ITSELF, "each folder is a class")]
        return self._ask_root(groups, {name: "images" if name == kept else "copy" for name in names}, sentence, choices)

    def _begins_in(self, groups: Groups, begins: Sequence[str], others: Sequence[str]) -> Roles:
        """A folder such as `data` with folders in it, beside some that are not called so: `assets`, `figures`."""
        kinds = _list(sorted(self._inner(groups, begins)))
        choices = [*((name, f"the set begins in {name}") for name in begins), (ITSELF, "each folder is a class")]
        sentence = f"{_list(begins)} holds {kinds}, and {_list(others)} lie beside it."
        return self._ask_root(groups, dict.fromkeys(others, "apart") | {begins[0]: "images"}, sentence, choices)

    def _single(self, groups: Groups, name: str) -> Roles:
        """The only folder: a class, or one around the set."""
        folders = [place.folder for place in groups[name]]
        inner = names_below(folders, self.options)
        splits = any(kind_of(below, self.options) == "split" for folder in folders for below in folder.folders)
        if any(folder.images for folder in folders) or not (inner or splits) or (inner and all(map(is_lot, inner))):
            return {}
        around = {name: "images"}
        if len(inner) > 1 or name == self.top or any(place.split for place in groups[name]):
            return around
        within = _list(sorted(inner)) if inner else "splits"
        choices = [(name, f"{name} is a folder around the set"), (ITSELF, f"{name} is the one class")]
        return self._ask_root(groups, around, f"All images lie in {name}, which holds {within}.", choices)

    def _several(self, groups: Groups, plain: Sequence[str]) -> Roles:
        """Folders side by side: classes, or sets of their own with folders of classes in each."""
        inner = {name: names_below((place.folder for place in groups[name]), self.options) for name in plain}
        if any(place.folder.images for name in plain for place in groups[name]) or not all(inner.values()):
            return {}
        names = set().union(*inner.values())
        if all(map(is_dated, names)):
            return {}
        kinds = {kind_of(below, self.options) for name in plain for p in groups[name] for below in p.folder.folders}
        common = set.intersection(*inner.values()) if "split" in kinds or not all(map(is_lot, names)) else set()
        deeper = (EVERY, f"{_shorter(sorted(names))} are the classes, and the folders above them an attribute")
        here = (ITSELF, f"{_shorter(plain)} are the classes")
        alone = [(name, f"only what lies in {name}") for name in plain[:5]]
        sentence = f"The folders {_shorter(plain)} hold folders of their own ({_shorter(sorted(names))})."
        if common and (len(names) > 1 or any(map(reads_as_good, names))):  # one name everywhere tells no two apart
            return self._ask_root(groups, dict.fromkeys(plain, "folder"), sentence, [deeper, here, *alone])
        return self._ask_root(groups, {}, sentence, [here, deeper, *alone])

    def _odd_classes(self, groups: Groups, plain: Sequence[str], holders: Sequence[str]) -> Roles:
        """Among folders of classes: those that hold the others once more, and those whose names are of no class."""
        roles: Roles = {}
        for name in (*plain, *holders):
            others = [other for other in plain if other != name]
            inner = names_below((place.folder for place in groups[name]), self.options)
            if others and len(inner) > 1 and set(others) <= inner:
                roles[name] = "copy"
                self._ask_class(name, False, f"it holds the folders {_list(others)} once more")
            elif (name in holders and name not in self.nameless) or (is_copy(name) and len(others) > 0):
                roles[name] = "class"
                self._ask_class(name, True, f"its name says nothing of what the images show, beside {_list(others)}")
        return roles

    def _ask_class(self, name: str, is_class: bool, why: str) -> None:
        if name in self.options.labels:
            return
        choices = [(name, f"{name} is a class"), ("", "its images are no part of the set")]
        order = choices if is_class else choices[::-1]
        self.questions.append(Question(f"label.{name}", f"{name} may be no class: {why}.", tuple(order)))

    def _ask_root(self, groups: Groups, roles: Roles, sentence: str, choices: Iterable[tuple[str, str]]) -> Roles:
        if not self.strict:
            values = {name: str(self.prefix / members[0].folder.path) for name, members in groups.items()}
            here = tuple((values.get(value, str(self.prefix / value)), meaning) for value, meaning in choices)
            self.questions.append(Question("root", sentence, here))
            self.narrowed = here[0][0] not in (str(self.prefix / ITSELF), str(self.prefix / EVERY))
        return roles


def _children(places: Iterable[Branch]) -> Groups:
    groups: Groups = defaultdict(list)
    for place in places:
        for name in place.folder.folders:
            groups[name].append(place.into(name))
    return dict(groups)


def _further(place: Branch, name: str) -> Branch:
    return dataclasses.replace(place, extra=place.extra if place.extra[-1:] == (name,) else (*place.extra, name))


def _list(names: Iterable[str]) -> str:
    return _shorter(list(names), 4)


def _shorter(names: Sequence[str], most: int = 4) -> str:
    shown = [*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else "none"
