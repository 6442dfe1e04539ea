"""What does ``%%submit`` add to a plain ``client.submit``? One small task at a time, in a real IPython shell."""

from IPython.core.interactiveshell import InteractiveShell
from submit_common import arguments, compare, timed

import moorage


def main() -> None:
    """Run the comparison."""
    options = arguments(__doc__, times=30)
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "moorage")
    with moorage.start(n_workers=2, threads_per_worker=1) as cluster:
        shell.user_ns["x"] = 20
        client = cluster.client

        def magic() -> float:
            run = lambda: shell.run_cell_magic("submit", "", "x + 1")  # noqa: E731
            return min(timed(run) for _ in range(3))

        methods = {
            "%%submit": magic,
            "cluster.submit": lambda: min(
                timed(lambda: cluster.submit(lambda: 20 + 1, pure=False).result()) for _ in range(3)
            ),
            "client.submit": lambda: min(
                timed(lambda: client.submit(lambda: 20 + 1, pure=False).result()) for _ in range(3)
            ),
        }
        for method in methods.values():
            method()
        medians = compare(methods, options.times, "client.submit")
    print(f"%%submit adds {1000 * (medians['%%submit'] - medians['client.submit']):.1f} ms")


if __name__ == "__main__":
    main()
