"""The way of a request through the gateway: path, route, credential, door, rate, allowance,
forward.
"""
