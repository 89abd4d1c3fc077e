"""How stages run, whatever they compute: knows no method and no benchmark."""
