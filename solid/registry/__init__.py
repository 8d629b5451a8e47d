"""The model registry: checks of the data, versions, who is champion, what is served and what is reported."""
