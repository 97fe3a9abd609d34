"""From a sealed run to tables, figures and a report; knows stores only, no network."""
