"""Models and question sets that package wheels carry."""
