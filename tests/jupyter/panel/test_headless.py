"""A notebook that is run without a browser: what is said to panels is nothing to anybody there."""

import logging

import nbformat
from nbclient import NotebookClient


def test_nobody_complains_of_what_is_said_to_panels(caplog):
    cells = ["%load_ext moorage", "%unload_ext moorage", "%load_ext moorage", "import moorage; moorage.board()"]
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    log = logging.getLogger("tests.headless")
    with caplog.at_level(logging.WARNING, "tests.headless"):
        NotebookClient(notebook, kernel_name="python3", timeout=60, log=log).execute()
    assert [record.getMessage() for record in caplog.records if record.name == "tests.headless"] == []
