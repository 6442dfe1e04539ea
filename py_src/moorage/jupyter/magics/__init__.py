"""The magics: their lines, what they call, what they show meanwhile.

* ``commands``, ``submit``, ``saving``, ``undo``  the magics themselves
* ``arguments``, ``submit_line``, ``loop_clause``  what a line may say; ``parser``, ``line`` read it
* ``cluster``, ``collections``, ``insight``  rooms of several magics, or of one of many actions
* ``completion``   completion in these lines
* ``cells``        the body of a cell magic
* ``reporting``, ``progress``  how failures and progress are shown

What they do is in ``controller``. Imported by ``jupyter.extension``.
"""
