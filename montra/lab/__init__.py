"""The embedded private network of real libtorrent nodes, its workload and its ground truth."""
