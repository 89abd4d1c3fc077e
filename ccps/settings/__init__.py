"""The typed shapes of `conf/`: what each setting means, its default and the values it may take. No model code."""
