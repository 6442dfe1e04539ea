"""The magics: their lines, what they call, what they show meanwhile.

* ``commands``, ``submit``  the magics themselves
* ``arguments``, ``cluster_line``, ``submit_line``, ``loop_clause``  what a line may say; ``parser``, ``line`` read it
* ``completion``   completion in these lines
* ``cells``        the body of a cell magic
* ``reporting``, ``progress``  how failures and progress are shown

What they do is in ``controller``. Imported by ``jupyter.extension``.
"""
