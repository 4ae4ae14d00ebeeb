"""Each shape of traffic alone, through each balancer, method and port: `python -m tests.shapes`."""
