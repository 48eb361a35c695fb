"""The listeners' pages: views that call contracts and render templates; no data of their own."""
