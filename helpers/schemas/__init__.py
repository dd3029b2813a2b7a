"""Code generated from ``data/schemas``, committed so that nobody needs a compiler.

``reading_pb2.py`` comes from ``reading.proto``, and so on. Generate them again, in an environment of its own, with a
compiler whose major version is that of the pinned ``protobuf`` (its minor version may be older, not newer)::

    python -m venv compiler && compiler/bin/pip install grpcio-tools==1.85.1
    compiler/bin/python -m grpc_tools.protoc -I data/schemas --python_out=helpers/schemas data/schemas/*.proto
"""
