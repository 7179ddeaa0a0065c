/* Swagger UI on the page's own schema; requests go with the reader's session. */
import { csrfToken } from "./dom.js";

const place = document.getElementById("swagger");
const answer = await fetch(place.dataset.schema, { headers: { Accept: "application/vnd.oai.openapi+json" } });
window.SwaggerUIBundle({
  spec: await answer.json(),
  domNode: place,
  deepLinking: true,
  validatorUrl: null,
  docExpansion: "list",
  requestInterceptor: (request) => {
    request.headers["X-CSRFToken"] = csrfToken();
    return request;
  },
});
