"""`appspec.yml`: what a bundle installs and which scripts run when. Pure; read as the CodeDeploy agent does."""
