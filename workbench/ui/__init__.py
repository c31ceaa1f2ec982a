"""What the pages share: choices, long work with progress, drawing. Only here, app.py and pages/ import Streamlit."""
