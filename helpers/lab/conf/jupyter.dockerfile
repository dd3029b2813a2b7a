# JupyterLab with the lessons, for the compose profile `jupyter`. The notebooks themselves are mounted, not copied.
FROM python:3.13.15-slim-bookworm
WORKDIR /lessons
# Whoever the container runs as may write here, and into the notebooks that are mounted. The compose file keeps both folders
# in volumes; a new volume takes the folder's mode.
ENV HOME=/learner LAB_HOME=/learner/lab LAB_CACHE=/opt/lab
RUN mkdir --mode=1777 /learner mine

# Some lessons start a scratch broker of their own: the programs come along, and need no internet later.
COPY pyproject.toml constraints.txt README.md ./
COPY helpers helpers
# Lesson 15's engine asks for an older confluent-kafka than ours.
RUN pip install --no-cache-dir --editable . \
    && pip install --no-cache-dir --no-deps quixstreams==3.28.1 rocksdict==0.3.29 \
    && pip install --no-cache-dir --constraint constraints.txt jsonlines jsonpath-ng orjson pydantic pydantic-settings \
    && lab prefetch
COPY data data

USER 1000
# The settings answer JupyterLab's questions about news and updates.
ENV JUPYTER_CONFIG_PATH=/lessons/helpers/lab/conf/jupyter
# Root is allowed to: on some machines the notebooks are root's.
CMD ["jupyter", "lab", "--no-browser", "--allow-root", "--ServerApp.ip=0.0.0.0", \
     "--ServerApp.root_dir=/lessons", "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb"]
