"""Virtual kubelets of vendors: when a kubelet runs one's image, it really is the kubelet of nodes.

A vendor brings the images it is told by, the nodes it registers, and a cloud that runs their pods.
"""
