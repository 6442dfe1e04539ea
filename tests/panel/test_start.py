"""A cluster gets started, adapted, left and attached to again: with the form, and by commands alone."""

import pytest
from playwright.sync_api import expect

from tests.panel.appearance import baseline
from tests.panel.gestures.test_keyboard import serious
from tests.panel.pictures import take


@pytest.fixture
def alone(lab, desk):
    """A kernel without a cluster, and a page with its panel."""
    kernel = lab.notebook("alone.ipynb", "1 + 1")
    kernel.run("%load_ext moorage")
    desk.show("alone.ipynb")
    expect(desk.board.get_by_role("button", name="Start 2 workers")).to_be_visible()
    yield kernel, desk
    kernel.run("cluster.stop()")
    kernel.close()


def test_the_form_starts_what_it_says_and_every_entry_of_the_menu_is_a_command(alone):
    kernel, desk = alone
    baseline.check(desk, "empty")
    desk.command("moorage:start-cluster")
    kinds = desk.board.get_by_role("combobox", name="Kind")
    expect(kinds).to_be_focused()
    kinds.select_option("SLURM")
    expect(desk.board.get_by_role("textbox", name="queue")).to_be_visible()
    assert serious(desk) == []
    take(desk.page, "start-form-queue")
    kinds.select_option("Another class…")
    path = desk.board.get_by_role("textbox", name="Class")
    path.fill("dask_jobqueue.NoCluster")
    path.blur()
    expect(desk.board.get_by_role("alert")).to_contain_text("NoCluster")
    expect(desk.board.get_by_role("button", name="Start 2 workers")).to_be_disabled()
    path.fill("dask_jobqueue.SGECluster")
    path.blur()
    expect(desk.board.get_by_role("textbox", name="queue")).to_be_visible()
    kinds.select_option("On this machine")
    desk.board.get_by_role("textbox", name="Threads of each").fill("3")
    desk.board.get_by_role("textbox", name="Memory of each").fill("400 MB")
    desk.board.get_by_role("checkbox").check()
    desk.board.get_by_role("button", name="One worker fewer").click()
    take(desk.page, "start-form")
    assert serious(desk) == []
    kernel.run("import dask; usual = dask.config.set({'moorage.start-timeout': '0.1s'})")
    desk.board.get_by_role("button", name="Start 1 worker").click()
    expect(desk.board).to_contain_text("did not start within 0.1 s")
    expect(desk.board.get_by_role("textbox", name="Memory of each")).to_have_value("400MB")
    kernel.run("usual.__exit__(None, None, None)")
    desk.board.get_by_role("button", name="Start 1 worker").click()
    expect(desk.magic).to_have_text("%cluster start -n 1 --threads 3 --memory 400MB --keep")
    expect(desk.board.locator("[data-moorage-worker]")).to_have_count(1)
    expect(desk.board.locator("[data-moorage-cluster=connected]")).to_be_visible()
    desk.command("moorage:adapt", minimum=1, maximum=2)
    expect(desk.board.get_by_role("textbox", name="Maximum workers")).to_have_value("2")
    desk.command("moorage:adapt")
    expect(desk.board.get_by_role("textbox", name="Maximum workers")).to_have_count(0)
    with desk.page.context.expect_page() as opened:
        desk.command("moorage:open-dashboard")
    opened.value.wait_for_url("**/status**")
    opened.value.close()
    name = kernel.run("print(cluster.name)").strip()
    desk.command("moorage:keep-cluster")
    expect(desk.magic).to_have_text("%cluster keep --off")
    desk.board.get_by_role("button", name="Cluster menu").click()
    entry = desk.page.get_by_role("menuitemcheckbox", name="Keep when this notebook ends")
    expect(entry).not_to_be_checked()
    entry.click()
    expect(desk.magic).to_have_text("%cluster keep")
    expect(desk.board.get_by_role("img", name="kept")).to_be_visible()  # else it cannot be left
    desk.command("moorage:leave-cluster")
    expect(desk.board.get_by_role("button", name="Attach…")).to_be_visible()
    desk.command("moorage:attach")
    choice = desk.board.locator(f'[data-moorage-attach="{name}"]')
    expect(choice).to_contain_text("kept: local")
    assert serious(desk) == []
    choice.click()
    expect(desk.board.locator("[data-moorage-worker]")).to_have_count(1)
