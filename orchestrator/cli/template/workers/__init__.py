"""This project's workers and validators; every module here is imported when the project is opened."""
