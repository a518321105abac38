"""Between graphs and SymPy: expressions as functions, functions as expressions and as LaTeX."""
