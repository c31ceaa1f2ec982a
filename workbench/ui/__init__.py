"""What the pages share: what is chosen, long work with progress, and drawing. Only here, app.py and pages/ import
Streamlit."""
