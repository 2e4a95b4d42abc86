"""TensorFlow Datasets without TensorFlow: what was prepared is read, what was not is one error."""

from __future__ import annotations

import os
import sys

import pytest

from rnnjax import InputError
from rnnjax.data import labelled_text, tfds


@pytest.fixture
def folder():
    place = os.path.join(os.environ.get("RNNJAX_DATA", ""), "tfds")
    if "RNNJAX_DATA" not in os.environ or not os.path.isdir(place):
        pytest.skip("RNNJAX_DATA does not name a folder with tfds")
    pytest.importorskip("tensorflow_datasets")
    return place


def test_a_prepared_set_is_read_by_number_and_without_tensorflow(folder):
    train, part = tfds.read("imdb_reviews", folder), tfds.read("imdb_reviews", folder, "train[:10%]")
    assert len(train) == 5000 and len(part) == 500 and part[7] == train[7]
    assert tfds.label_names(train) == ("neg", "pos") and "tensorflow" not in sys.modules


def test_its_texts_are_those_of_the_files(folder):
    ours = labelled_text.from_tfds("imdb_reviews", folder)
    files = labelled_text.read(os.path.join(os.path.dirname(folder), "imdb"))
    assert {split: len(rows) for split, rows in ours.items()} == {"train": 4500, "validation": 500, "test": 5000}
    texts = [{(row.label, row.text.strip()) for row in source["test"]} for source in (ours, files)]
    assert texts[0] == texts[1]


def test_what_is_not_there_is_told(folder):
    with pytest.raises(InputError, match=r"split: got 'dev'.*test \(5000\)"):
        tfds.read("imdb_reviews", folder, "dev")
    for name in ("no_such_set", "ag_news_subset"):
        with pytest.raises(InputError, match=r"array_record.*imdb_reviews, mnist, tiny_shakespeare"):
            tfds.read(name, folder)
    with pytest.raises(InputError, match="a class among the features image, label"):
        tfds.label_names(tfds.read("mnist", folder), "image")
    with pytest.raises(InputError, match="text: got 'review'"):
        labelled_text.from_tfds("imdb_reviews", folder, text="review")


def test_no_data_at_all_and_no_package(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(InputError, match=r"tfds: got 'imdb_reviews'.*no data set is there"):
        tfds.read("imdb_reviews", str(tmp_path))
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(InputError, match="tensorflow"):
        tfds.read("imdb_reviews", str(tmp_path))
