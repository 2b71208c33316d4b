"""What stands wherever output leaves this package: files, reports, model cards and web pages."""

NOT_FOR_DIAGNOSIS = "not for diagnosis"
PAGE_FOOTER = f"Made with gancmri_jax for research; {NOT_FOR_DIAGNOSIS}."
