{
  "service": {"web": {}}
}
