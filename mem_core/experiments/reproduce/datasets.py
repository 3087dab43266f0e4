"""The paper's datasets as their makers give them out: which files are expected, and where to get them.

None of them is part of memshield. The user names a folder that holds one folder a dataset (flickr8k/, coco/, ...); a
folder with the name of a dataset is taken for it as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import CorpusConfig, IdentitiesConfig
from mem_core.data.readers import LeftOut, RawSample, SourceReader, open_source
from mem_core.data.readers.listing import Listing
from mem_core.data.readers.look import look_of
from mem_core.data.readers.source import SourceTree
from mem_core.data.readers.split_lists import SplitLists, find_split_lists


@dataclass(frozen=True)
class Dataset:
    """One dataset. formats: as the readers name them, in the order of preference. test: the split that is the test.

    COCO 2017 has no captions for its test images, so that its validation images are everybody's test; what chooses
    an epoch is then held out of its training images.

    hold_out: one photograph of each identity is the test.
    """

    name: str
    title: str
    formats: tuple[str, ...]
    expects: str
    where: str
    test: str = "test"
    hold_out: bool = False


DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "flickr8k",
            "Flickr8k",
            ("flickr-token", "karpathy", "csv"),
            "Flickr8k.token.txt with Flickr_8k.trainImages.txt, devImages.txt and testImages.txt, or Karpathy's "
            "dataset_flickr8k.json, or a captions.csv with a column `split`, and the photographs",
            "the University of Illinois gives the photographs out on request (hockenmaier.cs.illinois.edu); Karpathy's "
            "splits are in caption_datasets.zip at cs.stanford.edu/people/karpathy/deepimagesent",
        ),
        Dataset(
            "flickr30k",
            "Flickr30k",
            ("karpathy", "flickr-token", "csv"),
            "Karpathy's dataset_flickr30k.json, or results_20130124.token or results.csv with train.txt, val.txt and "
            "test.txt, and the folder flickr30k-images",
            "the University of Illinois gives the photographs out (shannon.cs.illinois.edu/DenotationGraph), "
            "Karpathy's splits are in caption_datasets.zip at cs.stanford.edu/people/karpathy/deepimagesent",
        ),
        Dataset(
            "coco",
            "MS-COCO 2017",
            ("coco",),
            "annotations/captions_train2017.json and captions_val2017.json, and the folders train2017 and val2017",
            "train2017.zip, val2017.zip and annotations_trainval2017.zip are at cocodataset.org",
            test="val",
        ),
        Dataset(
            "coco-karpathy",
            "MS-COCO, Karpathy's split",
            ("karpathy",),
            "Karpathy's dataset_coco.json, and the folders train2014 and val2014",
            "train2014.zip and val2014.zip are at cocodataset.org; Karpathy's splits are in caption_datasets.zip at "
            "cs.stanford.edu/people/karpathy/deepimagesent",
        ),
        Dataset(
            "pubfig",
            "PubFig",
            ("identities",),
            "one folder of photographs a person, with train.txt and test.txt naming photographs, or without lists",
            "Columbia University gives out the lists of addresses (cs.columbia.edu/CAVE/databases/pubfig); any folder "
            "of folders by name will do",
            hold_out=True,
        ),
    )
}


def dataset_of(name: str) -> Dataset:
    """The dataset of a name. Raises `ConfigError` for an unknown one."""
    if name not in DATASETS:
        raise ConfigError(f"expected a dataset out of {', '.join(DATASETS)}, got {name!r}")
    return DATASETS[name]


def open_dataset(
    name: str, data: str | Path | None, identities: IdentitiesConfig = IdentitiesConfig(), seed: int = 0
) -> SourceReader:
    """The reader of a dataset below `data`; `identities` and `seed` are for folders of people.

    Raises `SourceError` with where to get it if it is not there.
    """
    dataset = dataset_of(name)
    if data is None:
        raise SourceError(
            f"expected a folder with {dataset.title} ({dataset.expects}), but none is named. Where to get it: "
            f"{dataset.where}"
        )
    folder = _folder(Path(data).expanduser().absolute(), dataset)
    tree = SourceTree(LocalFolder(folder))
    listing = Listing(tree.names, look_of(tree), CorpusConfig())
    for kind in dataset.formats:
        if kind in listing.usable or (kind == "identities" and listing.identity_folders):
            return _reader(tree, kind, dataset, identities, seed)
    raise SourceError(
        f"expected {dataset.title} in {folder} ({dataset.expects}), but it is not there. Where to get it: "
        f"{dataset.where}"
    )


def _folder(data: Path, dataset: Dataset) -> Path:
    """DIR/NAME, or DIR itself where that is its name: any other folder of pictures is not the dataset.

    Raises `SourceError` with the layout if there is neither.
    """
    if (data / dataset.name).is_dir():
        return data / dataset.name
    if data.name == dataset.name and data.is_dir():
        return data
    raise SourceError(
        f"expected {dataset.title} in {data / dataset.name}, but there is no {dataset.name}/ in {data}, which is to "
        f"hold one folder a dataset ({', '.join(f'{name}/' for name in DATASETS)}). {dataset.name}/ holds "
        f"{dataset.expects}. Where to get it: {dataset.where}"
    )


def _reader(tree: SourceTree, kind: str, dataset: Dataset, identities: IdentitiesConfig, seed: int) -> SourceReader:
    lists = find_split_lists(tree.inside(""))
    own = identities.model_copy(update={"hold_out": dataset.hold_out and not lists})
    reader = open_source(tree.folder, format=kind, config=CorpusConfig(identities=own), seed=seed)
    if kind in ("csv", "identities"):
        # The reader has them, too: what is wrong in them stops a study before it begins.
        SplitLists(reader.images, lists)
    return reader if dataset.test == "test" else _TestSplit(reader, dataset.test)


@dataclass(frozen=True)
class _TestSplit:
    """A source whose test is the split of another name."""

    reader: SourceReader
    test: str

    @property
    def format(self) -> str:
        return self.reader.format

    @property
    def uri(self) -> str:
        return self.reader.uri

    @property
    def left_out(self) -> Sequence[LeftOut]:
        return self.reader.left_out

    def __iter__(self) -> Iterator[RawSample]:
        for sample in self.reader:
            yield replace(sample, split="test") if sample.split == self.test else sample
