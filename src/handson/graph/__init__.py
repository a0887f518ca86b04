"""Nets as graphs: symbols, the nodes that compute them, and `Graph`, which runs them."""

from handson.graph import operators
from handson.graph.graph import Graph
from handson.graph.operation import operation
from handson.graph.symbol import Node, Spec, Symbol, apply, nodes_of, symbolic

__all__ = ["Graph", "Node", "Spec", "Symbol", "apply", "nodes_of", "operation", "operators", "symbolic"]
