"""DETR Lab in the browser: `streamlit run app.py`."""

import streamlit as st

from ui.routes import ROUTES
from ui.server.services import MIDDLEWARE, lifespan

app = st.App("ui/shell.py", routes=ROUTES, middleware=MIDDLEWARE, lifespan=lifespan)
