# syntax=docker/dockerfile:1
FROM python:3.12-slim-bookworm AS build
RUN pip install --no-cache-dir uv
WORKDIR /app
COPY pyproject.toml requirements.lock ./
RUN uv venv /venv && uv pip install --python /venv/bin/python -r pyproject.toml -c requirements.lock
COPY . .
RUN uv pip install --python /venv/bin/python --no-deps --editable .
RUN for po in locale/*/LC_MESSAGES/*.po; do \
      /venv/bin/pybabel -q compile -i "$po" -o "${po%.po}.mo"; \
    done \
 && SPILLWAY_SECRET_KEY=only-to-collect-static SPILLWAY_DATA_DIR=/tmp/build SPILLWAY_STATIC_ROOT=/app/staticfiles \
    /venv/bin/python manage.py collectstatic --no-input --skip-checks --verbosity 0

FROM python:3.12-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /data spillway && install -d -o spillway /data
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    SPILLWAY_DATA_DIR=/data SPILLWAY_STATIC_ROOT=/app/staticfiles SPILLWAY_HOST=0.0.0.0
WORKDIR /app
USER spillway
VOLUME /data
EXPOSE 8000
CMD ["uvicorn", "console.asgi:application", "--host", "0.0.0.0", "--port", "8000", \
     "--ws", "websockets-sansio", "--ws-per-message-deflate", "false", "--proxy-headers", "--no-access-log"]
