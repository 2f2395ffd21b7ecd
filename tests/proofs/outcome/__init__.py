"""Does users' feedback make the model better? Whole turns, on any data with a text and a label.

    python -m tests.proofs outcome --data FOLDER --seeds 5
    python -m tests.proofs outcome --data FOLDER --seeds 1 --turns 2 --lies all

`FOLDER` holds `train.csv` and `test.csv`, each with a column of texts and one of labels. Of twenty
labels twelve are known at first, with fifteen rows each; `tidemill init` writes the project; users
with a given rate of wrong feedback ask the real services; what serves is asked held-out questions.
"""
