"""`python -m gancmri_jax`: the `gancmri` command."""

from gancmri_jax.cli.main import main

if __name__ == "__main__":
    main()
