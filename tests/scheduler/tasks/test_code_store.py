"""The user's modules on the scheduler: each text once, and what is forgotten first."""

import asyncio
from types import SimpleNamespace

from moorage.scheduler.tasks.code_store import CodeStore

ALONE = SimpleNamespace(workers={})


def version(id_):
    return {"id": id_, "serial": 0, "owner": "me", "process": "here"}


def entries(*digests):
    return {
        f"m{digest}": {"digest": digest, "deep": digest, "path": f"/{digest}.py", "package": False, "not_sent": ""}
        for digest in digests
    }


def texts(*digests, nbytes=10):
    return {digest: {"source": bytes(nbytes), "files": {}} for digest in digests}


def test_only_what_is_lacking_is_asked_for():
    async def run():
        store = CodeStore(ALONE)
        first = await store.keep("me", version("1"), entries("a", "b"), texts("a"))
        assert (first["serial"], first["lacking"]) == (0, ["b"])
        assert (await store.code("1", []))["status"] == "unknown"
        assert (await store.keep("me", version("1"), entries("a", "b"), texts("a", "b")))["lacking"] == []
        assert (await store.keep("me", version("2"), entries("a", "c"), texts("c")))["lacking"] == []
        answer = await store.code("2", ["a"])
        assert (answer["entries"].keys(), answer["texts"].keys()) == ({"ma", "mc"}, {"c"})

    asyncio.run(run())


def test_each_version_is_later_than_the_one_before_also_if_it_was_there():
    async def run():
        store = CodeStore(ALONE)
        assert await store.latest() == []
        serials = [(await store.keep("me", version(id_), entries("a"), texts("a")))["serial"] for id_ in "121"]
        assert serials == sorted(set(serials))
        assert await store.latest() == [{**version(id_), "serial": serials[n]} for id_, n in [("2", 1), ("1", 2)]]

    asyncio.run(run())


def test_old_versions_go_first_and_the_latest_of_a_notebook_stays():
    async def run():
        store = CodeStore(ALONE, most=35)
        await store.keep("other", version("0"), entries("z"), texts("z"))
        for id_ in "1234":
            await store.keep("me", version(id_), entries(id_), texts(id_))
        there = [id_ for id_ in "01234" if (await store.code(id_, []))["status"] == "OK"]
        assert there == ["0", "3", "4"]
        store.client_gone("other")
        await store.keep("me", version("5"), entries("5"), texts("5"))
        await store.keep("me", version("6"), entries("6"), texts("6"))
        assert (await store.code("0", []))["status"] == "unknown"

    asyncio.run(run())


def test_who_has_an_image_is_given_its_version_or_the_latest_of_the_same_notebook():
    async def run():
        store = CodeStore(ALONE)
        for id_, owner, deep in [("1", "me", "a"), ("2", "me", "b"), ("3", "another", "z")]:
            entry = {"m": entries(deep)[f"m{deep}"]} if owner == "me" else entries(deep)
            await store.keep(owner, {**version(id_), "owner": owner}, entry, texts(deep))

        async def found(**modules):
            answer = await store.whose(modules, [])
            assert (answer["answer"]["status"] == "OK") == (answer["status"] == "OK")
            return answer["status"], answer["code"] and answer["code"]["id"]

        assert await found(m="a") == ("OK", "1")
        assert await found(m="long ago") == ("OK", "2")
        assert await found(m="a", mz="z") == await found(nobody="a") == ("unknown", None)
        await store.keep("another", {**version("4"), "owner": "another"}, {"m": entries("c")["mc"]}, texts("c"))
        assert (await found(m="c"), await found(m="long ago")) == (("OK", "4"), ("several", None))

    asyncio.run(run())
