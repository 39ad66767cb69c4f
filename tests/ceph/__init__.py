"""A real Ceph object gateway, as Allas is one."""
