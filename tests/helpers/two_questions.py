"""Two multiple-choice questions with an answer and a label, as rows of somebody's table."""

ROWS = [
    {"question": "Red or blue?", "choices": ["red", "blue"], "right": "blue", "said": "a", "ok": 0},
    {"question": "Tree or stone?", "choices": ["tree", "stone", "sea"], "right": "c", "said": "Stone", "ok": 1},
]
