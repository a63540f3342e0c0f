"""From a crystal to its pattern and the gradient: the differentiable simulator."""
