"""An example plug-in for alref-agent."""
