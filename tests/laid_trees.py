"""Folders with what systems and programs leave in them, and names as other systems write them."""

from __future__ import annotations

from laid import Case

CASES = (
    Case(
        "what systems and programs leave",
        {
            "good/1.png": "photo",
            "good/2.png": "photo",
            "bad/3.png": "photo",
            "good/@eaDir/1.png": "photo",
            "$RECYCLE.BIN/9.png": "photo",
            "lost+found/8.png": "photo",
            "System Volume Information/7.png": "photo",
            ".ipynb_checkpoints/6.png": "photo",
            "__MACOSX/._1.png": "by macOS",
            "good/._2.png": "by macOS",
            "good/.DS_Store": "by macOS",
            "bad/Thumbs.db": "by Windows",
            "bad/desktop.ini": "by Windows",
            "bad/~$notes.docx": "by Office",
            "bad/4.png": "",
            "old.zip": "packed",
        },
        labels={"good": 2, "bad": 1},
        splits={"": 3},
        left_out=13,
    ),
    Case(
        "a table written on Windows",
        {
            "Images/A1.JPG": "photo",
            "Images/A2.JPG": "photo",
            "Images/U\u0308.JPG": "photo",
            "manifest.csv": "image,label\nimages\\a1.jpg,good\nimages\\a2.jpg,bad\nimages\\\u00fc.jpg,bad\n",
        },
        labels={"good": 1, "bad": 2},
        splits={"": 3},
        layout="manifest",
    ),
)
