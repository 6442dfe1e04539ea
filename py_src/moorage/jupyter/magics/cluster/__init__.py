"""`%cluster`: its line (``line``), and what each action does (``commands``)."""
